// SPDX-License-Identifier: GPL-2.0-or-later
// How the manager keeps processes to the rules: what the enforcer is told, and who does not comply.
#include "config/write.h"
#include "core/escape.h"
#include "daemon/clock.h"
#include "daemon/log.h"
#include "daemon/manager.h"

#include <unistd.h>

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace rseq::daemon {

namespace {

using enforce::Reason;
using enforce::Verdict;

/// More than a batch has; whoever is left out shows as not compliant, and is only not reported.
constexpr std::size_t touched_at_most = 65536;

std::uint64_t started_ns(const registry::Process& process) {
    static const auto ticks = static_cast<std::uint64_t>(::sysconf(_SC_CLK_TCK));
    return process.start_ticks.value_or(0) * (std::uint64_t{1'000'000'000} / ticks);
}

/// A mode that is none yet: a program registers some time after it was executed, if it ever does.
bool may_change_soon(const enforce::Compliance& compliance) {
    return compliance.reason == Reason::not_known ||
           (compliance.reason == Reason::other_mode && compliance.found == "none");
}

/// Where execve(2) was given a descriptor, and the name of the program is still to be read.
bool is_nameless(std::string_view exe) {
    return exe.starts_with("/proc/self/fd/") || exe.starts_with("/dev/fd/");
}

} // namespace

/// Whether the process only prepares a service: the helper of our drop-ins, and what systemd runs
/// before each command. Both are executed in the service's cgroup before it can be held.
bool Manager::prepares_service(const registry::Process& process) const {
    return process.exe_path() == options_.places.hold_program ||
           process.exe_path().ends_with("/systemd-executor");
}

Result<void> Manager::attach_enforcer() {
    std::optional<enforce::CgroupTree> tree;
    if (auto mounted = enforce::CgroupTree::mounted()) {
        tree = std::move(*mounted);
    } else if (state_.facts.abi != 0) {
        log::write(log::Level::warning, mounted.error().message());
    }
    enforcer_ =
        std::make_unique<Enforcer>(loop_.get(), state_.facts, std::move(tree), options_.places);
    state_.enforcer = enforcer_.get();
    state_.compliance = [this](const registry::Process& process) {
        return compliance_of(process);
    };
    enforcer_->apply(configuration_.rules,
                     [this](const Applied&) { tell_who_has_to_be_restarted(); });
    return {};
}

void Manager::attach_policies(BusHooks& hooks) {
    hooks.apply_policies = [this](bool dry_run, const PolicyDone& done) {
        const Enforcer::Done tell = [done](const Applied& applied) {
            done(PolicyChange{{}, applied});
        };
        const auto read = dry_run ? plan_policies(tell) : reload(tell);
        if (!read) {
            done(tl::unexpected<Error>(read.error()));
        }
    };
    const auto reload_for = [this](std::vector<std::string> files, const PolicyDone& done) {
        log::message(log::Level::notice, "policies changed by D-Bus: {}",
                     escape_untrusted(files.front()));
        const auto loaded = reload([files = std::move(files), done](const Applied& applied) {
            done(PolicyChange{files, applied});
        });
        if (!loaded) {
            done(tl::unexpected<Error>(loaded.error()));
        }
    };
    hooks.set_policy = [this, reload_for](const std::string& unit, const config::UnitPolicy& policy,
                                          config::Lifetime lifetime, const PolicyDone& done) {
        if (auto file = config::set_policy(options_.config_root, unit, policy, lifetime)) {
            reload_for({std::move(*file)}, done);
        } else {
            done(tl::unexpected<Error>(std::move(file.error())));
        }
    };
    hooks.unset_policy = [this, reload_for](const std::string& unit, const PolicyDone& done) {
        if (auto files = config::unset_policy(options_.config_root, unit)) {
            reload_for(std::move(*files), done);
        } else {
            done(tl::unexpected<Error>(std::move(files.error())));
        }
    };
}

Result<void> Manager::plan_policies(Enforcer::Done done) {
    auto loaded = config::load(options_.config_root);
    if (!loaded) {
        return fail(EINVAL, config::text_of(loaded.error()));
    }
    enforcer_->plan(std::move(loaded->rules), std::move(done));
    return {};
}

enforce::Compliance Manager::compliance_of(const registry::Process& process) {
    if (process.kernel_thread || enforcer_->rules().empty()) {
        return {};
    }
    policy::Subject subject;
    subject.unit = process.unit().name;
    subject.unit_display = process.unit().display_name();
    subject.cgroup = process.cgroup_path();
    subject.exe = process.exe_path();
    subject.comm = process.comm.view();
    if (enforcer_->needs_uid()) {
        subject.uid = uid_of(process);
    }
    enforce::ProcessFacts facts;
    facts.cgroup = process.cgroup_path();
    facts.latched = process.policy;
    facts.mode = process.mode();
    facts.executed_ns = process.executed_ns;
    facts.moved = process.moved_since_exec;
    facts.started_ns = started_ns(process);
    return enforcer_->check(subject, facts);
}

/// The effective user; nothing if it cannot be read, or if a later process has the number.
std::optional<uid_t> Manager::uid_of(const registry::Process& process) const {
    auto dir = proc_.open(process.pid);
    const auto who = dir ? dir->identity() : fail(dir.error().code, {});
    if (!who || !state_.registry.is_it(process, who->start_ticks)) {
        return std::nullopt;
    }
    const auto uid = dir->effective_uid();
    return uid ? std::optional(*uid) : std::nullopt;
}

void Manager::note_for_policies(const registry::Change& change) {
    const bool executed = change.kind == registry::ChangeKind::executed;
    if (enforcer_ == nullptr || change.process == nullptr || enforcer_->rules().empty() ||
        (!executed && change.kind != registry::ChangeKind::mode_changed)) {
        return;
    }
    if (!in_doubt_ && change.process->cgroup != nullptr &&
        !is_nameless(change.process->exe_path()) && !prepares_service(*change.process) &&
        !enforcer_->has_drop_in(change.process->unit().name)) {
        // It may be gone before the batch is over, and what matters most is known. Where a drop-in
        // holds the service, what was executed before that is of interest only if it stays.
        const enforce::Compliance compliance = compliance_of(*change.process);
        const bool is_about_mode = compliance.reason == Reason::other_mode;
        if (compliance.verdict == Verdict::no && !may_change_soon(compliance) &&
            is_about_mode != executed) {
            journal_.report_not_compliant(occurrence_of(*change.process), compliance,
                                          now_ns(CLOCK_BOOTTIME));
            touched_.erase(change.pid);
            return;
        }
    }
    if (touched_.size() < touched_at_most) {
        bool& for_exec = touched_[change.pid];
        for_exec = for_exec || executed;
    }
}

void Manager::check_touched() {
    // What the events that were lost said of these is to be told by the scan.
    if (touched_.empty() || in_doubt_) {
        return;
    }
    for (const auto& [pid, executed] : std::exchange(touched_, {})) {
        if (const registry::Process* const process = state_.registry.find(pid)) {
            report_if_escaped(*process, executed);
        }
    }
}

void Manager::report_if_escaped(const registry::Process& process, bool executed) {
    const enforce::Compliance compliance = compliance_of(process);
    // What does not change with the mode was told when it was executed.
    if (compliance.verdict == Verdict::no && !may_change_soon(compliance) &&
        !prepares_service(process) && (executed || compliance.reason == Reason::other_mode)) {
        journal_.report_not_compliant(occurrence_of(process), compliance, now_ns(CLOCK_BOOTTIME));
    }
}

void Manager::tell_who_has_to_be_restarted() {
    std::map<std::string, std::size_t> by_rule;
    for (const registry::Process* const process : state_.registry.processes()) {
        const enforce::Compliance compliance = compliance_of(*process);
        if (compliance.verdict == Verdict::no && compliance.reason == Reason::before_rule) {
            ++by_rule[compliance.rule->name];
        }
    }
    for (const auto& [rule, count] : by_rule) {
        log::message(log::Level::notice,
                     "rule {}: {} processes started before it and stay as they are until they are "
                     "restarted",
                     rule, count);
    }
}

} // namespace rseq::daemon
