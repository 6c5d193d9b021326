// SPDX-License-Identifier: GPL-2.0-or-later
#include "enforce/compliance.h"

#include "enforce/plan.h"

#include <algorithm>

namespace rseq::enforce {

namespace {

using policy::Decision;
using policy::Rule;

/// A policy is latched at the beginning of an execve(2), and the event comes at its end, when the
/// program has been read.
constexpr std::uint64_t exec_takes_ns = 50'000'000;
/// The same on a machine that has to be waited for: there is no other way to be executed in a
/// cgroup that is held, and not to be held.
constexpr std::uint64_t exec_takes_at_most_ns = 10'000'000'000;

/// What the rules ask of a process's cgroup: each with the rule, null if nothing is asked.
struct Asked {
    const Rule* mode = nullptr;
    const Rule* slice = nullptr;
};

Asked asked_by(const Decision& decision) {
    Asked asked{decision.mode_rule, decision.slice_rule};
    // A rule may ask for the default, too.
    if (decision.rule != nullptr) {
        asked.mode = asked.mode == nullptr && decision.rule->mode ? decision.rule : asked.mode;
        asked.slice = asked.slice == nullptr && decision.rule->slice ? decision.rule : asked.slice;
    }
    return asked;
}

/// The entry of the cgroup, or of the nearest one above it, that holds it to the setting.
const HeldCgroup* holder(const std::string& cgroup, const Setting& setting, const Held& held) {
    for (std::string path = cgroup; !path.empty();) {
        const auto found = held.cgroups.find(path);
        if (found != held.cgroups.end() && found->second.wrote(setting)) {
            return &found->second;
        }
        if (path == "/") {
            break;
        }
        path.resize(std::max<std::size_t>(path.rfind('/'), 1));
    }
    return nullptr;
}

/// Why a process did not latch the setting.
Reason why_not(const ProcessFacts& process, const Setting& setting, const Held& held) {
    const HeldCgroup* const entry = holder(process.cgroup, setting, held);
    if (entry == nullptr) {
        return Reason::not_held;
    }
    // An execve(2) that nobody saw was before anybody looked.
    if (process.executed_ns <
        entry->since_ns + (process.moved ? exec_takes_ns : exec_takes_at_most_ns)) {
        return entry->fresh && process.executed_ns != 0 ? Reason::lost_race : Reason::before_rule;
    }
    // Where it has been all the time, somebody else must have let go of the cgroup.
    return process.moved ? Reason::elsewhere : Reason::not_held;
}

Compliance no(Reason reason, const Rule* rule, std::string expected, std::string found) {
    return {Verdict::no, reason, rule, std::move(expected), std::move(found)};
}

Compliance yes(const Rule* rule) {
    return {Verdict::yes, Reason::none, rule, {}, {}};
}

/// On a kernel with cgroup.rseq.
Compliance latched_policy(const ProcessFacts& process, const Asked& asked, const Policy& effective,
                          const Held& held) {
    const Rule* const any = asked.mode != nullptr ? asked.mode : asked.slice;
    if (any == nullptr) {
        return {};
    }
    Policy expected = process.latched.value_or(Policy());
    if (asked.mode != nullptr) {
        expected.mode = effective.mode;
    }
    if (asked.slice != nullptr) {
        expected.slice = effective.slice;
    }
    if (!process.latched) {
        return no(Reason::not_known, any, to_string(expected), "unknown");
    }
    const Policy& latched = *process.latched;
    if (latched == expected) {
        return yes(any);
    }
    const bool by_mode = latched.mode != expected.mode;
    const Rule* const rule = by_mode ? asked.mode : asked.slice;
    const bool less = latched.mode < expected.mode || latched.slice < expected.slice;
    const Setting missing =
        latched.mode < expected.mode ? Setting(expected.mode) : Setting(expected.slice);
    return no(less ? why_not(process, missing, held) : Reason::stricter, rule, to_string(expected),
              to_string(latched));
}

/// On another kernel a filter of system calls can stand in for `off`, and nothing for the rest.
Compliance filtered(const ProcessFacts& process, const Asked& asked, const Policy& effective,
                    const Held& held) {
    const Rule* const any = asked.mode != nullptr ? asked.mode : asked.slice;
    if (effective.slice == PolicySlice::deny) {
        return no(Reason::unenforceable, asked.slice, to_string(effective), "unknown");
    }
    if (effective.mode == PolicyMode::automatic) {
        return any == nullptr ? Compliance() : yes(any);
    }
    if (effective.mode != PolicyMode::off || !asked.mode->match.unit) {
        return no(Reason::unenforceable, asked.mode, to_string(effective), "unknown");
    }
    const HeldCgroup* const entry = holder(process.cgroup, effective.mode, held);
    const std::uint64_t since = process.executed_ns != 0 ? process.executed_ns : process.started_ns;
    const bool is_held = entry != nullptr && since >= entry->since_ns;
    if (is_held && process.mode == Mode::none) {
        return yes(asked.mode);
    }
    return no(is_held && process.mode == Mode::unknown ? Reason::not_known
              : entry == nullptr                       ? Reason::not_held
              : is_held                                ? Reason::elsewhere
                                                       : Reason::before_rule,
              asked.mode, to_string(effective), std::string(to_string(process.mode)));
}

} // namespace

std::string_view to_string(Verdict verdict) {
    switch (verdict) {
    case Verdict::yes:
        return "yes";
    case Verdict::no:
        return "no";
    case Verdict::none:
        break;
    }
    return {};
}

std::string Compliance::text() const {
    switch (reason) {
    case Reason::none:
        return {};
    case Reason::unenforceable:
        return std::string(unenforceable_here);
    case Reason::not_known:
        return "expected " + expected + ", is not known";
    case Reason::not_held:
        return "its cgroup is not held";
    case Reason::before_rule:
        return "started before the rule";
    case Reason::lost_race:
        return "lost the race";
    case Reason::elsewhere:
        return "executed in another cgroup";
    case Reason::stricter:
    case Reason::other_mode:
        break;
    }
    return "expected " + expected + ", is " + found;
}

Compliance compliance(const ProcessFacts& process, const Rule* rule, const Decision& decision,
                      const Held& held, const KernelFacts& kernel) {
    const Asked asked = asked_by(decision);
    Compliance policy = kernel.abi != 0 ? latched_policy(process, asked, decision.effective, held)
                                        : filtered(process, asked, decision.effective, held);
    if (policy.verdict == Verdict::no || rule == nullptr || !rule->expect) {
        return policy;
    }
    if (process.mode == *rule->expect) {
        return policy.verdict == Verdict::none ? yes(rule) : policy;
    }
    return no(process.mode == Mode::unknown ? Reason::not_known : Reason::other_mode, rule,
              std::string(to_string(*rule->expect)), std::string(to_string(process.mode)));
}

} // namespace rseq::enforce
