// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include "core/kernel_facts.h"
#include "core/types.h"
#include "enforce/held.h"
#include "policy/match.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace rseq::enforce {

enum class Verdict : std::uint8_t {
    none, ///< no rule asks for anything
    yes,  ///< everything is as the rules ask, and known to be
    no,
};

/// "yes", "no", or empty for none.
[[nodiscard]] std::string_view to_string(Verdict verdict);

/// Why a process is not as a rule asks. The first that holds counts.
enum class Reason : std::uint8_t {
    none,
    unenforceable, ///< the kernel cannot hold anything to it
    not_known,     ///< nobody can tell what the process latched, or its mode
    not_held,      ///< its cgroup is not held: writing it failed, or it came under a rule just now
    before_rule,   ///< its program was executed before its cgroup was held
    lost_race,     ///< as before, in a cgroup that was made when the rule was in force
    elsewhere,     ///< executed when its cgroup was held, but elsewhere, and moved there
    stricter,      ///< it latched more than was asked for
    other_mode,    ///< `expect` says something else than what it is
};

/// What is known of a process.
struct ProcessFacts {
    std::string cgroup;            ///< path
    std::optional<Policy> latched; ///< nothing if not known
    Mode mode = Mode::unknown;
    /// CLOCK_BOOTTIME of the execve(2) that its program comes from, also if a parent called it; 0
    /// if nobody saw it.
    std::uint64_t executed_ns = 0;
    /// Whether it may have come to its cgroup after that.
    bool moved = true;
    std::uint64_t started_ns = 0; ///< of the process itself; 0 if not known
};

struct Compliance {
    Verdict verdict = Verdict::none;
    Reason reason = Reason::none;
    /// The rule that is kept or not. Null with Verdict::none.
    const policy::Rule* rule = nullptr;
    /// What was asked for and what is: "legacy deny" and "auto allow", or "v1" and "v2". Empty
    /// unless the verdict is `no`.
    std::string expected;
    std::string found;

    /// One clause for people: "lost the race", "expected v1, is v2".
    [[nodiscard]] std::string text() const;
};

/// Compares a process with the rules. `rule`: policy::match() of the process, for `expect`.
/// `decision`: policy::decide() of its cgroup, for mode and slice. What is not known to be kept is
/// never called kept. On a kernel without cgroup.rseq, `mode: off` is kept by a process that was
/// executed in a cgroup whose entry in `held` says so, and has not registered.
[[nodiscard]] Compliance compliance(const ProcessFacts& process, const policy::Rule* rule,
                                    const policy::Decision& decision, const Held& held,
                                    const KernelFacts& kernel);

} // namespace rseq::enforce
