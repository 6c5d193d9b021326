// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include "core/kernel_facts.h"
#include "enforce/drop_in.h"
#include "enforce/plan.h"
#include "policy/rule.h"

#include <map>
#include <span>
#include <string>
#include <vector>

namespace rseq::enforce {

/// What the service manager says of one service: properties of org.freedesktop.systemd1.Service.
struct UnitFacts {
    std::string id;    ///< Id: another name if this one is an alias
    std::string slice; ///< Slice
    /// Environment, with what a drop-in of ours has added.
    std::vector<std::string> environment;
    /// An EnvironmentFile= has GLIBC_TUNABLES, and goes before Environment=.
    bool tunables_in_file = false;
    /// SystemCallFilter is a list of what is allowed, and of nothing else.
    bool allow_list = false;
    /// SystemCallErrorNumber, for what is not allowed; 0: the process is killed.
    int filter_error = 0;
};

/// What the service manager knows.
struct Units {
    /// Names of services, loaded ones and those that have a file; aliases and templates may be
    /// among them.
    std::vector<std::string> services;
    std::map<std::string, UnitFacts> facts;
    /// Why it could not be asked; empty if it was.
    std::string unreachable;
};

/// Whether the rules name services by patterns, so that Units::services is needed.
[[nodiscard]] bool needs_service_names(std::span<const policy::Rule> rules);

/// The services of which plan_units() wants to know the facts: those that rules name, and of
/// `services` those that a pattern matches. A template is asked about by one of its instances,
/// whose facts are handed in under the template's name.
[[nodiscard]] std::vector<std::string> units_to_ask(std::span<const policy::Rule> rules,
                                                    const std::vector<std::string>& services);

/// The instance by which a template is asked about.
[[nodiscard]] std::string instance_for_facts(const std::string& unit);

/// What there is to do for services: drop-ins, and a reload if one changes or one is pending.
///
/// A service has the drop-in that the first matching rule asks for. All instances of a template
/// have the one of the template, if a rule names just these, and if no rule before it may decide
/// otherwise for instances that nobody knows yet. What is not a service has no drop-in: slices,
/// scopes, containers and units of users are held by their cgroups alone. Drop-ins that are not
/// ours are left alone. Plan::held has no cgroups.
[[nodiscard]] Plan plan_units(std::span<const policy::Rule> rules, const DropIns& drop_ins,
                              const Units& units, const KernelFacts& kernel, bool reload_pending,
                              std::string_view hold_program);

/// What the rules ask for and no kernel like this can give, one note for each rule and setting. The
/// same is not said once more by plan_units().
[[nodiscard]] std::vector<Note> unenforceable(std::span<const policy::Rule> rules,
                                              const KernelFacts& kernel);

} // namespace rseq::enforce
