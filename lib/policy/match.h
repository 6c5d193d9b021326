// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include "policy/rule.h"

#include <cstddef>
#include <optional>
#include <span>
#include <string>

namespace rseq::policy {

/// What rules can ask of a process. What is empty is not known and matches no pattern, not even
/// `*`.
struct Subject {
    std::string unit;         ///< name of its Unit
    std::string unit_display; ///< display_name() of the same
    std::string cgroup;       ///< path as in /proc/PID/cgroup
    std::string exe;          ///< target of /proc/PID/exe
    std::string comm;
    std::optional<uid_t> uid = std::nullopt; ///< effective
};

/// A subject of which nothing but the cgroup is known, and with it the unit.
[[nodiscard]] Subject subject_of_cgroup(std::string cgroup);

/// The first of the rules that matches the process, or none. It decides as a whole: what it does
/// not say is not looked for in later rules. Its `expect` is what the process should be.
///
/// The kernel's " (deleted)" behind the path of a program or a cgroup that is gone is ignored.
[[nodiscard]] const Rule* match(const Subject& subject, std::span<const Rule> rules);

/// The first of the rules that decides for a cgroup itself, or none: rules that also ask for the
/// program, the name or the user of a process are passed over, because they say nothing of a
/// cgroup. Its `mode`, `slice` and `glibc` are what is to be written there; it may have none of
/// them, and then keeps later rules off the cgroup.
///
/// This is why one process can have two rules: `exe: /usr/bin/tool, expect: v2` before
/// `unit: x.service, mode: legacy` decides what is expected of the tool, and the other one decides
/// what the unit is held to.
[[nodiscard]] const Rule* match_cgroup(const Subject& cgroup, std::span<const Rule> rules);

/// What the rules make of one cgroup.
struct Decision {
    /// The rule of the cgroup itself, as match_cgroup() finds it.
    const Rule* rule = nullptr;
    /// What a process that is executed there will latch, if every cgroup on the path has been
    /// written: the strictest along the path from the root, because that is what the kernel takes.
    Policy effective;
    /// The rules, of this cgroup or of one above, that ask for what is in `effective`; none where
    /// that is the default.
    const Rule* mode_rule = nullptr;
    const Rule* slice_rule = nullptr;
};

/// So many levels below the root have a say in what is below them, as many as a walk over the
/// cgroups goes down (enforce::WalkLimits). Trees of systemd and containers have less than 20.
inline constexpr std::size_t deepest_level = 64;

/// The decision for the cgroup at `path`, which is absolute and has no slash at its end. Beyond
/// `deepest_level`, only the cgroup itself is looked at: a user can nest a thousand of them, and
/// each level costs as much as a cgroup of its own.
[[nodiscard]] Decision decide(const std::string& path, std::span<const Rule> rules);

} // namespace rseq::policy
