// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include "config/write.h"
#include "core/kernel_facts.h"
#include "core/result.h"
#include "enforce/report.h"
#include "policy/rule.h"
#include "proc/proc_reader.h"
#include "snapshot/snapshot.h"

#include <string>
#include <vector>

/// Policies without the daemon: by the files, the kernel and systemd of this machine.
namespace rseq::cli {

struct PoliciesHere {
    KernelFacts facts;
    std::vector<policy::Rule> rules;
    /// What applying them would do, and what cannot be had.
    enforce::Applied plan;
    enforce::Held held; ///< empty too if this user may not read what was replaced
    enforce::DropIns drop_ins;
};

/// Changes nothing. EINVAL: there are errors in the configuration, all of them in the context, a
/// line for each.
Result<PoliciesHere> look_here();

[[nodiscard]] std::vector<enforce::RuleReport> list_policies(const PoliciesHere& here);
[[nodiscard]] enforce::TargetReport show_policy(const PoliciesHere& here, const std::string& unit,
                                                const std::string& cgroup);
/// Sets Process::compliant. Nobody knows here when a program was executed: a reason is what was
/// expected and what is.
void add_compliance(const PoliciesHere& here, const proc::ProcReader& reader,
                    snapshot::Process& process);

// What the daemon does for calls of the same names; for root. The context of an error says all.
Result<enforce::ChangeReport> apply_here(bool dry_run);
Result<enforce::ChangeReport> set_here(const std::string& unit, const config::UnitPolicy& policy,
                                       config::Lifetime lifetime);
Result<enforce::ChangeReport> unset_here(const std::string& unit);

} // namespace rseq::cli
