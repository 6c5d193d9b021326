// SPDX-License-Identifier: GPL-2.0-or-later
// The part of the enforcer that is about cgroups: those that there are when rules are applied,
// those that are made later, and which of them are gone.
#include "core/escape.h"
#include "daemon/applied_log.h"
#include "daemon/clock.h"
#include "daemon/enforcer.h"
#include "daemon/log.h"
#include "enforce/plan_cgroups.h"
#include "proc/cgroup.h"

#include <algorithm>
#include <cstddef>
#include <string_view>
#include <utility>
#include <vector>

namespace rseq::daemon {

namespace {

/// Cgroups to be held before those that are gone are looked for, at least.
constexpr std::size_t forget_at_least = 1000;

/// How many are held when those that are gone are to be looked for once more.
std::size_t next_forgetting(std::size_t held) {
    return std::min(std::max(forget_at_least, held * 2), enforce::max_held_cgroups);
}

/// Puts others into the place of those of the first `count` that need not stay, and counts anew.
template <class Value, class Stays>
void replace_first(std::vector<Value>& values, std::size_t& count, const std::vector<Value>& others,
                   const Stays& stays) {
    const auto at = [&](std::size_t place) {
        return values.begin() + static_cast<std::ptrdiff_t>(place);
    };
    const auto kept = std::stable_partition(at(0), at(count), stays);
    const auto place = values.erase(kept, at(count));
    count = static_cast<std::size_t>(place - at(0)) + others.size();
    values.insert(place, others.begin(), others.end());
}

} // namespace

void Enforcer::apply_to_cgroups_again() {
    if (rules_->empty() && held_.cgroups.empty()) {
        return;
    }
    Request request;
    request.rules = rules_;
    request.again = true;
    if (under_way_) {
        loaded_ = drop_ins_in_force(); // those that were written since it began are among them
    }
    apply_to_cgroups(request);
    // A request that is under way has yet to tell what it did, and this is part of it.
    const bool is_part = under_way_ && !requests_.front().dry_run;
    Applied& applied = is_part ? requests_.front().applied : last_;
    Extent& of_cgroups = is_part ? requests_.front().of_cgroups : last_of_cgroups_;
    if (!is_part) {
        log_applied(request.applied, last_);
    }
    replace_first(applied.outcomes, of_cgroups.outcomes, request.applied.outcomes,
                  [&](const enforce::Outcome& outcome) { return is_part && !outcome.error; });
    replace_first(applied.notes, of_cgroups.notes, request.applied.notes,
                  [&](const enforce::Note& note) {
                      return is_part && note.kind == enforce::NoteKind::left_alone;
                  });
}

/// What needs no service manager.
void Enforcer::apply_to_cgroups(Request& request) {
    request.applied.notes = enforce::unenforceable(*request.rules, facts_);
    if (facts_.abi != 0 && tree_) {
        apply_cgroups(request);
    } else {
        apply_filters(request);
    }
    request.of_cgroups = {request.applied.outcomes.size(), request.applied.notes.size()};
}

void Enforcer::apply_cgroups(Request& request) {
    const auto observed =
        enforce::observe_cgroups(*tree_, *request.rules, held_,
                                 [this](const std::string& unit) { return has_drop_in(unit); });
    if (!observed) {
        request.applied.notes.push_back(
            {enforce::NoteKind::unenforceable, "/", "cgroups", observed.error().message(), {}, {}});
        return;
    }
    enforce::Plan plan =
        enforce::plan_cgroups(*observed, held_, now_ns(CLOCK_BOOTTIME), request.again);
    carry_out(request, plan);
    forget_at_ = next_forgetting(held_.cgroups.size());
}

void Enforcer::apply_filters(Request& request) {
    if (request.dry_run) {
        return;
    }
    // A filter is on a service from its start; only those that were seen to start are known.
    const std::size_t erased = std::erase_if(held_.cgroups, [&](const auto& entry) {
        const auto* rule =
            policy::match_cgroup(policy::subject_of_cgroup(entry.first), *request.rules);
        return rule == nullptr || rule->mode != PolicyMode::off;
    });
    if (erased > 0) {
        room_ = enforce::Room(held_.cgroups);
        changed();
    }
}

void Enforcer::on_cgroup_made(const event::CgroupMade& made, std::uint64_t event_ns) {
    if (rules_->empty()) {
        return;
    }
    if (facts_.abi == 0) {
        note_filtered(made, event_ns);
        return;
    }
    if (!tree_) {
        return;
    }
    const auto observed =
        enforce::observe_new_cgroup(*tree_, made.path, made.id, *rules_,
                                    [this](const std::string& unit) { return has_drop_in(unit); });
    if (!observed) {
        return;
    }
    const enforce::Plan plan = enforce::plan_new_cgroup(*observed, held_, now_ns(CLOCK_BOOTTIME));
    if (plan.held.cgroups.empty() || !has_room(made.path)) {
        return; // held from above, or not at all
    }
    enforce::FileActuator actuator(*tree_, drop_ins_fd_.get());
    enforce::Held result;
    for (const enforce::Outcome& outcome : enforce::execute(plan, {}, actuator, result)) {
        if (outcome.error) {
            log::message(log::Level::warning, "rule {}: {}", outcome.action.rule,
                         outcome.error->message());
        }
    }
    if (const auto entry = result.cgroups.find(made.path); entry != result.cgroups.end()) {
        // Only now is it known to be so.
        entry->second.since_ns = now_ns(CLOCK_BOOTTIME);
        remember(made.path, std::move(entry->second));
    }
}

/// Remembers that what is executed in a new cgroup has the filter of its service.
void Enforcer::note_filtered(const event::CgroupMade& made, std::uint64_t event_ns) {
    const policy::Subject subject = policy::subject_of_cgroup(made.path);
    const policy::Rule* const rule = policy::match_cgroup(subject, *rules_);
    // A user can have a unit of the same name.
    const bool is_filtered = rule != nullptr && rule->mode == PolicyMode::off &&
                             !held_.reload_pending &&
                             proc::unit_of_cgroup(made.path).manager == proc::Manager::system &&
                             enforce::filters(drop_in_of(subject.unit));
    if (is_filtered && has_room(made.path)) {
        enforce::HeldCgroup entry;
        entry.id = made.id;
        entry.mode = {PolicyMode::off, PolicyMode::off};
        entry.rule = rule->name;
        entry.since_ns = event_ns;
        entry.fresh = true;
        remember(made.path, std::move(entry));
    } else if (held_.cgroups.erase(made.path) > 0) {
        room_.remove(made.path);
        changed();
    }
}

/// Whether one more cgroup can be kept in mind. Where there are too many, those that are gone are
/// looked for now and then, and the log says it once.
bool Enforcer::has_room(const std::string& path) {
    if (held_.cgroups.contains(path) || room_.has_for(path)) {
        return true;
    }
    const bool is_too_long = enforce::is_too_long(path);
    // By time, and not by how many are refused, which is for users to choose.
    if (const std::uint64_t begin = now_ns(CLOCK_MONOTONIC);
        !is_too_long && begin >= forget_at_ns_) {
        forget_gone();
        forget_at_ns_ = now_ns(CLOCK_MONOTONIC) + pause_usec(begin) * nsec_per_usec;
    }
    if (room_.has_for(path)) {
        return true;
    }
    Refusals& refusals = refusals_.at(enforce::is_of_users(path));
    if (!std::exchange(is_too_long ? refusals.told_too_long : refusals.told_no_room, true)) {
        log::message(log::Level::warning, "{} is not held, and others may not be: {}",
                     escape_untrusted(std::string_view(path).substr(0, enforce::max_held_path)),
                     is_too_long ? "the path is too long"
                                 : "there are too many cgroups for which there are rules");
    }
    return false;
}

/// Keeps in mind that a new cgroup is held.
void Enforcer::remember(const std::string& path, enforce::HeldCgroup cgroup) {
    const bool is_new = held_.cgroups.insert_or_assign(path, std::move(cgroup)).second;
    changed();
    if (!is_new) {
        return;
    }
    room_.add(path);
    if (held_.cgroups.size() >= forget_at_) {
        forget_gone();
    }
}

void Enforcer::forget_gone() {
    if (!tree_) {
        return;
    }
    std::erase_if(held_.cgroups, [&](const auto& entry) {
        return !tree_->may_have(entry.first, entry.second.id);
    });
    room_ = enforce::Room(held_.cgroups);
    forget_at_ = next_forgetting(held_.cgroups.size());
}

} // namespace rseq::daemon
