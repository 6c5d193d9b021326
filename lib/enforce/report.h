// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include "enforce/actuator.h"
#include "enforce/drop_in.h"
#include "enforce/held.h"
#include "enforce/plan.h"
#include "policy/match.h"

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

/// What there is to tell about rules and what came of them, in the words of docs/DBUS.md. The
/// daemon sends these values, `rseqctl` shows them, whether they were sent or made on the spot.
/// Words are empty where there is nothing to say. Names and paths are as they are: untrusted.
namespace rseq::enforce {

/// What came of applying the rules.
struct Applied {
    bool dry_run = false;
    /// In the order in which they were taken, or would be; the reload comes last.
    std::vector<Outcome> outcomes;
    std::vector<Note> notes;

    /// Whether nothing failed and everything can be had.
    [[nodiscard]] bool complete() const;
};

struct RuleReport {
    std::string name;
    policy::Origin origin;
    /// The keys of its match and their patterns.
    std::vector<std::pair<std::string, std::string>> match;
    std::string mode;
    std::string slice;
    std::string glibc;
    std::string expect;
    /// `enforced`, `expected` (nothing is written for it), `not applied` (what would be written is
    /// not), `partial`, `unenforceable`, `failed`; `pending` is for the caller to set.
    std::string state;
    std::string reason; ///< of the last four
    std::uint32_t comply = 0;
    std::uint32_t do_not_comply = 0;
};

/// The rule, and by `last` how far it is in force. Nobody is counted.
[[nodiscard]] RuleReport report_rule(const policy::Rule& rule, const Applied& last);

struct NoteReport {
    std::string kind;
    std::string target; ///< path of a cgroup, name of a unit, or pattern of a rule
    std::string what;
    std::string reason;
    std::string rule;
    std::string file;
    int line = 0;
};

struct ActionReport {
    std::string kind;
    std::string target; ///< path of a cgroup, or name of a unit
    std::string wanted; ///< a line of cgroup.rseq, or the text of a drop-in
    std::string before;
    std::string rule;
    std::string file;
    int line = 0;
    std::string state; ///< `done`, `planned`, `failed`
    std::string error;
};

struct ChangeReport {
    std::vector<std::string> files; ///< of rules, written or removed
    bool complete = true;
    std::vector<ActionReport> actions;
    std::vector<NoteReport> notes;
};

[[nodiscard]] ChangeReport report_change(std::vector<std::string> files, const Applied& applied);

struct HeldReport {
    std::string cgroup;
    std::string mode; ///< what was written
    std::string mode_before;
    std::string slice;
    std::string slice_before;
    std::string rule;
    std::uint64_t since_usec = 0; ///< CLOCK_REALTIME
};

struct DropInReport {
    std::string unit; ///< or the template
    std::string path;
    std::string text;
};

/// All that holds for one unit or cgroup.
struct TargetReport {
    std::string unit;
    std::string cgroup;
    /// The rule that decides; empty if there is none.
    std::string rule;
    policy::Origin origin;
    std::string mode;
    std::string slice;
    std::string glibc;
    std::string expect;
    /// What a program that is executed there gets by the rules, and who asks for it.
    std::string effective;
    std::string mode_rule;
    std::string slice_rule;
    /// Of this cgroup, of those above it and of those below it.
    std::vector<HeldReport> held;
    std::vector<DropInReport> drop_ins;
    std::vector<NoteReport> notes;
};

/// What is known about the rules.
struct Situation {
    std::span<const policy::Rule> rules;
    const Held& held;
    const DropIns& drop_ins;
    const Applied& last;
    /// CLOCK_REALTIME - CLOCK_BOOTTIME.
    std::int64_t realtime_offset_usec = 0;
};

/// `unit`: display name, may be empty. `cgroup`: its path; empty if it is not known. For the root
/// of the hierarchy, everything that is written anywhere.
[[nodiscard]] TargetReport report_target(const std::string& unit, const std::string& cgroup,
                                         const Situation& situation);

/// The unit's own cgroup, of which `path` is a part, because one of its processes is there.
[[nodiscard]] std::string own_cgroup(std::string_view path, const proc::Unit& unit);

/// Where the cgroup of a unit without processes is: that of its name that is held, otherwise where
/// it would be if nobody has decided otherwise; empty where that cannot be said.
[[nodiscard]] std::string usual_cgroup(const std::string& unit, const Held& held);

/// The name of a unit as systemctl completes it: "mongod.service" of "mongod".
[[nodiscard]] std::string complete_unit_name(const std::string& name);

} // namespace rseq::enforce
