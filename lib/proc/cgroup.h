// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include "core/result.h"

#include <cstdint>
#include <string>
#include <string_view>

namespace rseq::proc {

/// The cgroup path in the text of /proc/<pid>/cgroup (cgroups(7)): that of the unified hierarchy.
/// On hybrid and v1 machines that of systemd's own hierarchy unless it is only the root: container
/// runtimes leave the unified one alone there. The path is into the text and untrusted. Fails with
/// EPROTO if there is neither, or if the last line has no end.
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
/// The outermost container counts, not what runs inside it. A container that podman runs within a
/// service's own cgroup belongs to the service. A path that leaves the reader's cgroup namespace
/// ("/../x") can name a container but no unit: what it is relative to is not known.
[[nodiscard]] Unit unit_of_cgroup(std::string_view path);

} // namespace rseq::proc
