// SPDX-License-Identifier: GPL-2.0-or-later
#include "enforce/actuator.h"

#include "enforce/drop_in.h"

#include <cerrno>
#include <utility>

namespace rseq::enforce {

namespace {

/// Takes back what the plan took for granted: the setting is held as it was before.
void take_back(const Action& action, const Held& before, Held& held) {
    const auto known = before.cgroups.find(action.target);
    const auto found = held.cgroups.find(action.target);
    const bool is_same = known != before.cgroups.end() &&
                         (found == held.cgroups.end() || found->second.id == known->second.id);
    HeldCgroup entry;
    if (found != held.cgroups.end()) {
        entry = found->second;
    } else if (is_same) {
        entry = known->second;
        entry.mode.reset();
        entry.slice.reset();
    }
    if (std::holds_alternative<PolicyMode>(*action.setting)) {
        entry.mode = is_same ? known->second.mode : std::nullopt;
    } else {
        entry.slice = is_same ? known->second.slice : std::nullopt;
    }
    if (entry.empty()) {
        held.cgroups.erase(action.target);
    } else {
        held.cgroups[action.target] = std::move(entry);
    }
}

} // namespace

Result<void> DryRun::perform(const Action& /*action*/) {
    return {};
}

Result<void> FileActuator::perform(const Action& action) {
    switch (action.kind) {
    case ActionKind::write_setting:
        return tree_.write(action.target, *action.setting);
    case ActionKind::write_drop_in:
        return write_drop_in(drop_ins_fd_, action.target, action.text);
    case ActionKind::remove_drop_in:
        return remove_drop_in(drop_ins_fd_, action.target);
    case ActionKind::reload:
        break;
    }
    return fail(EINVAL, "a reload is not an action on files");
}

std::vector<Outcome> execute(const Plan& plan, const Held& before, Actuator& actuator, Held& held) {
    held = plan.held;
    held.reload_pending = before.reload_pending;
    std::vector<Outcome> outcomes;
    outcomes.reserve(plan.actions.size());
    for (const Action& action : plan.actions) {
        if (action.kind == ActionKind::reload) {
            continue;
        }
        auto done = actuator.perform(action);
        if (action.kind != ActionKind::write_setting) {
            held.reload_pending = held.reload_pending || done;
        } else if (!done && is_gone(done.error())) {
            held.cgroups.erase(action.target);
            done = {};
        } else if (!done) {
            take_back(action, before, held);
        }
        Outcome& outcome = outcomes.emplace_back();
        outcome.action = action;
        if (!done) {
            outcome.error = std::move(done.error());
        }
    }
    return outcomes;
}

} // namespace rseq::enforce
