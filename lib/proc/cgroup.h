// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include "core/result.h"

#include <cstdint>
#include <string>
#include <string_view>

namespace rseq::proc {

/// The cgroup path in the text of /proc/<pid>/cgroup (cgroups(7)): that of the unified hierarchy,
/// or, where it is only the root, that of systemd's own hierarchy on hybrid machines. The path is
/// into the text and untrusted. Fails with EPROTO if there is neither.
Result<std::string_view> parse_cgroup(std::string_view text);

/// Who manages a cgroup, as far as its path tells.
enum class Manager : std::uint8_t { none, system, user, docker, podman, kubernetes };

[[nodiscard]] std::string_view to_string(Manager manager);

/// What an administrator calls the group of processes that share a cgroup.
struct Unit {
    Manager manager = Manager::none;
    /// systemd unit as systemctl names it, or the first 12 digits of a container's ID. Untrusted.
    std::string name;
    /// Kubernetes: UID of the pod. User units: the numeric user ID. Otherwise empty. Untrusted.
    std::string owner;

    /// One word: "mongod.service", "user@1000/app.service", "docker/0123456789ab",
    /// "kubernetes/POD/0123456789ab"; empty without a unit.
    [[nodiscard]] std::string display_name() const;
    friend bool operator==(const Unit&, const Unit&) = default;
};

/// The unit that owns the cgroup `path`, by the naming of systemd (CGROUP_DELEGATION.md and the
/// escaping of systemd's cgroup names), docker, podman and the kubelet with either cgroup driver.
[[nodiscard]] Unit unit_of_cgroup(std::string_view path);

} // namespace rseq::proc
