// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include "enforce/cgroup_tree.h"
#include "enforce/plan.h"
#include "policy/rule.h"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

namespace rseq::enforce {

/// A cgroup that a rule wants to be held, or that is held.
struct ObservedCgroup {
    std::string path;
    std::uint64_t id = 0;
    Policy policy; ///< what its own file says
    /// The rule that decides for it (policy::match_cgroup), if that one asks for a mode or a slice.
    const policy::Rule* rule = nullptr;
    /// A drop-in of ours writes it before we can: what is there may be from us.
    bool by_drop_in = false;
};

struct ObservedCgroups {
    std::vector<ObservedCgroup> cgroups; ///< parents before what is in them
    std::vector<Note> notes;             ///< those that could not be read
    /// Those that are held, and are there, and of which nothing could be seen.
    std::vector<std::string> unseen;
    /// Those whose path is too long to be kept in mind: nothing else is kept of them.
    std::size_t too_long = 0;
    std::size_t too_long_of_users = 0;
    Walked walked;
};

/// Whether a drop-in of ours with ExecStartPre= exists for the unit of this name.
using HasDropIn = std::function<bool(const std::string& unit)>;

/// Looks at the whole tree, and reads the files of those cgroups that matter.
Result<ObservedCgroups> observe_cgroups(const CgroupTree& tree, std::span<const policy::Rule> rules,
                                        const Held& held, const HasDropIn& has_drop_in,
                                        const WalkLimits& limits = {});

/// The same for one cgroup that has just been made; nothing if no rule wants it to be held, or if
/// it is gone. `id` 0: not known, and not looked for.
std::optional<ObservedCgroup> observe_new_cgroup(const CgroupTree& tree, const std::string& path,
                                                 std::uint64_t id,
                                                 std::span<const policy::Rule> rules,
                                                 const HasDropIn& has_drop_in);

/// What there is to do for cgroups, on a kernel that has cgroup.rseq.
///
/// A setting that a cgroup above is held to as strictly is not written once more: the kernel takes
/// the strictest on the path. What no rule asks for any more is put back, unless somebody else has
/// changed it since. Writes come first and what is put back last, parents first, so that a rule
/// that replaces another one leaves no gap. `now_ns`: CLOCK_BOOTTIME. `again`: the same rules have
/// been applied before, so that what is not held yet is new, and its making was missed.
///
/// What has no room because of users has one note for all, and so has what has a long path; they
/// are no rule's: nobody can have a rule look unenforceable by making cgroups. Of notes of one kind
/// for one rule there are a few.
[[nodiscard]] Plan plan_cgroups(const ObservedCgroups& observed, const Held& held,
                                std::uint64_t now_ns, bool again = false);

/// The same for one cgroup that was made while the rules were in force. Plan::held is empty but for
/// this cgroup, and without it if that is held from above. Whether there is room for it is up to
/// the caller.
[[nodiscard]] Plan plan_new_cgroup(const ObservedCgroup& observed, const Held& held,
                                   std::uint64_t now_ns);

} // namespace rseq::enforce
