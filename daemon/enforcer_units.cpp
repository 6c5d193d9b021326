// SPDX-License-Identifier: GPL-2.0-or-later
// The part of a request that is about services: what they are, the drop-ins for them, and the
// reload.
#include "core/file.h"
#include "daemon/enforcer.h"
#include "daemon/log.h"
#include "enforce/plan_units.h"
#include "enforce/unit_name.h"

#include <unistd.h>

#include <algorithm>
#include <utility>

namespace rseq::daemon {

void Enforcer::ask_for_names() {
    Request& request = requests_.front();
    if (!drop_ins_fd_ || manager_ == nullptr) {
        request.units.unreachable = "there is none";
        apply_units();
        return;
    }
    if (!enforce::needs_service_names(*request.rules)) {
        ask_for_facts();
        return;
    }
    manager_->list_services([this](Result<std::vector<std::string>> names) {
        Request& asking = requests_.front();
        if (names) {
            asking.units.services = std::move(*names);
            ask_for_facts();
        } else {
            asking.units.unreachable = names.error().message();
            apply_units();
        }
    });
}

void Enforcer::ask_for_facts() {
    Request& request = requests_.front();
    const auto units = enforce::units_to_ask(*request.rules, request.units.services);
    if (units.empty()) {
        apply_units();
        return;
    }
    // A template is asked about by one of its instances.
    std::vector<std::string> names;
    names.reserve(units.size());
    for (const std::string& unit : units) {
        names.push_back(enforce::instance_for_facts(unit));
    }
    manager_->ask(names, [this, units](Result<ServiceManager::Facts> facts) {
        Request& asking = requests_.front();
        if (!facts) {
            asking.units.unreachable = facts.error().message();
        } else {
            for (const std::string& unit : units) {
                const std::string instance = enforce::instance_for_facts(unit);
                if (auto found = facts->find(instance); found != facts->end()) {
                    if (unit != instance) {
                        found->second.id = unit;
                    }
                    asking.units.facts[unit] = found->second;
                }
            }
        }
        apply_units();
    });
}

void Enforcer::apply_units() {
    Request& request = requests_.front();
    // What the generator made is in force until a reload.
    const bool has_generated = !generated().empty();
    enforce::Plan plan =
        enforce::plan_units(*request.rules, drop_ins(), request.units, facts_,
                            held_.reload_pending || has_generated, places_.hold_program);
    const bool is_stale =
        !request.units.unreachable.empty() && enforce::needs_service_names(*request.rules);
    if (!drop_ins_fd_ || is_stale) {
        // Without the names of services, drop-ins that are right would look as if nobody wanted
        // them.
        plan.actions.clear();
    }
    if (is_stale) {
        plan.notes.push_back({enforce::NoteKind::unenforceable,
                              "",
                              "drop-ins",
                              "the service manager cannot be asked: " + request.units.unreachable,
                              {},
                              {}});
    }
    const bool holds =
        std::any_of(plan.actions.begin(), plan.actions.end(), [](const enforce::Action& action) {
            return enforce::holds_cgroup(action.text);
        });
    if (holds && ::access(places_.hold_program.c_str(), X_OK) != 0) {
        plan.notes.push_back({enforce::NoteKind::unenforceable,
                              "",
                              "drop-ins",
                              "there is no " + places_.hold_program + ": install rseq-compatd",
                              {},
                              {}});
    }
    const bool reloads =
        std::any_of(plan.actions.begin(), plan.actions.end(), [](const enforce::Action& action) {
            return action.kind == enforce::ActionKind::reload;
        });
    plan.held = held_;
    // Before anything is written: a daemon that is killed in between has its successor reload.
    plan.held.reload_pending = reloads || held_.reload_pending;
    carry_out(request, plan);
    const bool is_stopped =
        !request.dry_run && drop_ins_fd_ && !is_stale && stop_generator(request);
    if (reloads && request.dry_run) {
        request.applied.outcomes.push_back({plan.actions.back(), std::nullopt});
        finish();
    } else if (reloads && (held_.reload_pending || (has_generated && is_stopped))) {
        reload();
    } else {
        // Where nothing could be written a reload would change nothing.
        finish();
    }
}

/// From now on the drop-ins that were written are all that there should be. Returns whether the
/// generator knows.
bool Enforcer::stop_generator(const Request& request) {
    const auto failed = [](const enforce::Outcome& outcome) {
        return outcome.error && outcome.action.kind == enforce::ActionKind::write_drop_in;
    };
    const auto& outcomes = request.applied.outcomes;
    if (!runtime_fd_ || std::any_of(outcomes.begin(), outcomes.end(), failed)) {
        return false;
    }
    constexpr mode_t mode = 0644;
    const auto done = replace_file(runtime_fd_.get(), enforce::applied_name, "", mode);
    if (!done) {
        log::message(log::Level::warning, "{} in {}", done.error().message(), places_.runtime);
    }
    return done.has_value();
}

void Enforcer::reload() {
    reload_under_way_ = true;
    manager_->reload([this](Result<void> done) {
        // systemd sends the signal before it answers: one that comes later is of somebody else.
        reload_under_way_ = false;
        enforce::Outcome& outcome = requests_.front().applied.outcomes.emplace_back();
        outcome.action.kind = enforce::ActionKind::reload;
        if (done) {
            held_.reload_pending = false;
            changed();
        } else {
            outcome.error = std::move(done.error());
        }
        finish();
    });
}

} // namespace rseq::daemon
