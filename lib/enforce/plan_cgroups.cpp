// SPDX-License-Identifier: GPL-2.0-or-later
#include "enforce/plan_cgroups.h"

#include "policy/match.h"

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <map>
#include <string_view>
#include <unordered_set>
#include <utility>

namespace rseq::enforce {

namespace {

/// More of one kind for one rule tell nothing new.
constexpr std::size_t notes_of_a_kind = 20;

bool holds_cgroup(const policy::Rule* rule) {
    return rule != nullptr && (rule->mode || rule->slice);
}

/// The rule that wants this cgroup to be held.
const policy::Rule* rule_for(const policy::Subject& cgroup, std::span<const policy::Rule> rules) {
    const policy::Rule* const rule = policy::match_cgroup(cgroup, rules);
    return holds_cgroup(rule) ? rule : nullptr;
}

const HeldCgroup* entry_of(const Held& held, const std::string& path, std::uint64_t id) {
    const auto found = held.cgroups.find(path);
    return found != held.cgroups.end() && found->second.id == id ? &found->second : nullptr;
}

Note note(NoteKind kind, const ObservedCgroup& observed, std::string what, std::string reason) {
    Note note{kind, observed.path, std::move(what), std::move(reason), {}, {}};
    if (observed.rule != nullptr) {
        note.rule = observed.rule->name;
        note.origin = observed.rule->origin;
    }
    return note;
}

Note note_of_no_rule(std::string what, std::string reason) {
    return {NoteKind::partial, "/", std::move(what), std::move(reason), {}, {}};
}

/// Keeps the first of the notes of each kind for each rule.
void shorten(std::vector<Note>& notes) {
    std::map<std::pair<std::string, NoteKind>, std::size_t> counts;
    const std::size_t surplus = std::erase_if(notes, [&](const Note& one) {
        return ++counts[{one.rule, one.kind}] > notes_of_a_kind;
    });
    if (surplus > 0) {
        notes.push_back(note_of_no_rule("notes", std::to_string(surplus) + " more like these"));
    }
}

/// Says that the cgroups are not all, if it is so.
void note_left_out(const ObservedCgroups& observed, std::size_t of_users,
                   std::vector<Note>& notes) {
    const Walked& walked = observed.walked;
    const auto note_not_whole = [&](std::string what, bool whole) {
        if (!whole) {
            notes.push_back(note_of_no_rule(std::move(what),
                                            "there are more, or deeper ones, than are looked at"));
        }
    };
    note_not_whole("cgroups", walked.whole);
    note_not_whole("cgroups of users", walked.whole_of_users);
    if (of_users > 0) {
        notes.push_back(note_of_no_rule(
            "cgroups of users", std::to_string(of_users) + " are not held: there are too many"));
    }
    const auto note_too_long = [&](std::string what, std::size_t count) {
        if (count > 0) {
            notes.push_back(note_of_no_rule(std::move(what), std::to_string(count) +
                                                                 " are not held for themselves"));
        }
    };
    note_too_long("cgroups with long paths", observed.too_long);
    note_too_long("cgroups of users with long paths", observed.too_long_of_users);
}

/// Plans one cgroup after the other.
class Planner {
public:
    /// `above`: what holds the cgroups above those that are added; the ones that were added
    /// before if it is null.
    Planner(const Held& before, std::uint64_t now_ns, const Held* above = nullptr)
        : before_(before), above_(above != nullptr ? above->cgroups : held_), now_ns_(now_ns),
          counts_room_(above == nullptr) {}

    /// What is held already keeps its place, whatever is added before it.
    void reserve(const std::string& path) { room_.add(path); }

    void add(const ObservedCgroup& observed, bool fresh) {
        observed_ = &observed;
        const HeldCgroup* const known = entry_of(before_, observed.path, observed.id);
        const policy::Rule* const rule = observed.rule;
        HeldCgroup entry;
        const std::size_t writes = writes_.size();
        entry.mode = settle(rule != nullptr ? rule->mode : std::nullopt,
                            known != nullptr ? known->mode : std::nullopt, observed.policy.mode,
                            covering(observed.path).mode);
        entry.slice = settle(rule != nullptr ? rule->slice : std::nullopt,
                             known != nullptr ? known->slice : std::nullopt, observed.policy.slice,
                             covering(observed.path).slice);
        if (entry.empty()) {
            return;
        }
        if (known == nullptr && counts_room_) {
            if (!room_.has_for(observed.path)) {
                writes_.resize(writes);
                note_no_room();
                return;
            }
            room_.add(observed.path);
        }
        const bool as_before = known != nullptr && known->mode == entry.mode &&
                               known->slice == entry.slice && writes_.size() == writes;
        entry.id = observed.id;
        entry.rule = rule != nullptr ? rule->name : known->rule;
        entry.since_ns = as_before ? known->since_ns : now_ns_;
        entry.fresh = as_before ? known->fresh : fresh;
        held_.emplace(observed.path, std::move(entry));
    }

    Plan finish() {
        held_.merge(kept_);
        Plan plan;
        plan.actions = std::move(writes_);
        std::move(restores_.begin(), restores_.end(), std::back_inserter(plan.actions));
        plan.notes = std::move(notes_);
        plan.held.cgroups = std::move(held_);
        plan.held.reload_pending = before_.reload_pending;
        return plan;
    }

    /// A cgroup of which nothing was seen stays as it is.
    void keep(const std::string& path, const HeldCgroup& entry) {
        reserve(path);
        kept_.emplace(path, entry);
    }

    /// How many of users there was no room for, which have no note.
    [[nodiscard]] std::size_t left_out_of_users() const { return left_out_of_users_; }

private:
    void note_no_room() {
        if (is_of_users(observed_->path)) {
            ++left_out_of_users_;
        } else {
            notes_.push_back(note(NoteKind::unenforceable, *observed_, "its cgroup",
                                  "more cgroups would be held than can be kept in mind"));
        }
    }

    /// What the cgroups above are held to by us.
    [[nodiscard]] Policy covering(std::string_view path) const {
        Policy policy;
        while (path.size() > 1) {
            path = path.substr(0, std::max<std::size_t>(path.rfind('/'), 1));
            const std::string above(path);
            const auto found = above_.find(above);
            if (found == above_.end()) {
                continue;
            }
            if (const auto& mode = found->second.mode) {
                policy.mode = std::max(policy.mode, mode->wrote);
            }
            if (const auto& slice = found->second.slice) {
                policy.slice = std::max(policy.slice, slice->wrote);
            }
        }
        return policy;
    }

    /// What will be held of one setting, and the action for it.
    template <class Word>
    std::optional<Written<Word>> settle(std::optional<Word> wanted,
                                        const std::optional<Written<Word>>& known, Word current,
                                        Word above) {
        if (wanted) {
            return hold(*wanted, known, current, above);
        }
        if (!known || known->before == current) {
            return std::nullopt;
        }
        if (known->wrote != current) {
            notes_.push_back(
                note(NoteKind::left_alone, *observed_, to_line(current),
                     "somebody else has changed it from '" + to_line(known->wrote) + "'"));
            return std::nullopt;
        }
        restores_.push_back(action(known->before, current, nullptr));
        return std::nullopt;
    }

    template <class Word>
    std::optional<Written<Word>> hold(Word wanted, const std::optional<Written<Word>>& known,
                                      Word current, Word above) {
        if (!known && wanted <= above && current <= above) {
            return std::nullopt;
        }
        if (current == wanted) {
            if (known) {
                return Written<Word>{wanted, known->before};
            }
            return Written<Word>{wanted, observed_->by_drop_in ? Word{} : current};
        }
        writes_.push_back(action(wanted, current, observed_->rule));
        return Written<Word>{wanted, known && known->wrote == current ? known->before : current};
    }

    Action action(const Setting& setting, const Setting& before, const policy::Rule* rule) const {
        Action action;
        action.kind = ActionKind::write_setting;
        action.target = observed_->path;
        action.setting = setting;
        action.setting_before = before;
        if (rule != nullptr) {
            action.rule = rule->name;
            action.origin = rule->origin;
        }
        return action;
    }

    const Held& before_;
    const std::map<std::string, HeldCgroup>& above_;
    std::uint64_t now_ns_;
    bool counts_room_;
    const ObservedCgroup* observed_ = nullptr;
    std::vector<Action> writes_;
    std::vector<Action> restores_;
    std::vector<Note> notes_;
    std::map<std::string, HeldCgroup> held_;
    std::map<std::string, HeldCgroup> kept_; ///< they cover nothing: they may be gone
    Room room_;
    std::size_t left_out_of_users_ = 0;
};

} // namespace

Result<ObservedCgroups> observe_cgroups(const CgroupTree& tree, std::span<const policy::Rule> rules,
                                        const Held& held, const HasDropIn& has_drop_in,
                                        const WalkLimits& limits) {
    ObservedCgroups observed;
    std::unordered_set<std::string> seen; // of those that are held
    const auto add = [&](ObservedCgroup cgroup, const Result<Policy>& policy, bool is_held) {
        if (policy) {
            cgroup.policy = *policy;
            observed.cgroups.push_back(std::move(cgroup));
            return;
        }
        if (is_gone(policy.error())) {
            return;
        }
        observed.notes.push_back(
            note(NoteKind::unenforceable, cgroup, "its cgroup", policy.error().message()));
        if (is_held) {
            observed.unseen.push_back(std::move(cgroup.path));
        }
    };
    const auto visit = [&](const CgroupVisit& visited) {
        const policy::Subject subject = policy::subject_of_cgroup(visited.path);
        const bool is_held = entry_of(held, visited.path, visited.id) != nullptr;
        ObservedCgroup cgroup;
        cgroup.rule = rule_for(subject, rules);
        if (cgroup.rule == nullptr && !is_held) {
            return;
        }
        if (!is_held && is_too_long(visited.path)) {
            ++(is_of_users(visited.path) ? observed.too_long_of_users : observed.too_long);
            return;
        }
        cgroup.path = visited.path;
        cgroup.id = visited.id;
        cgroup.by_drop_in = has_drop_in(subject.unit);
        if (is_held) {
            seen.insert(visited.path);
        }
        add(std::move(cgroup), CgroupTree::policy(visited.dir_fd), is_held);
    };
    const auto walked = tree.walk(visit, limits);
    if (!walked) {
        return tl::unexpected<Error>(walked.error());
    }
    observed.walked = *walked;
    // What is held and the walk did not come to, by path: those above come first here, too.
    for (const auto& [path, entry] : held.cgroups) {
        if (seen.contains(path) || !tree.may_have(path, entry.id)) {
            continue;
        }
        const policy::Subject subject = policy::subject_of_cgroup(path);
        add({path, entry.id, {}, rule_for(subject, rules), has_drop_in(subject.unit)},
            tree.policy(path), true);
    }
    return observed;
}

std::optional<ObservedCgroup> observe_new_cgroup(const CgroupTree& tree, const std::string& path,
                                                 std::uint64_t id,
                                                 std::span<const policy::Rule> rules,
                                                 const HasDropIn& has_drop_in) {
    const policy::Subject subject = policy::subject_of_cgroup(path);
    ObservedCgroup cgroup;
    cgroup.rule = rule_for(subject, rules);
    if (cgroup.rule == nullptr) {
        return std::nullopt;
    }
    const auto policy = tree.policy(path);
    if (!policy) {
        return std::nullopt;
    }
    cgroup.path = path;
    cgroup.id = id;
    cgroup.policy = *policy;
    cgroup.by_drop_in = has_drop_in(subject.unit);
    return cgroup;
}

Plan plan_cgroups(const ObservedCgroups& observed, const Held& held, std::uint64_t now_ns,
                  bool again) {
    Planner planner(held, now_ns);
    for (const ObservedCgroup& cgroup : observed.cgroups) {
        if (entry_of(held, cgroup.path, cgroup.id) != nullptr) {
            planner.reserve(cgroup.path);
        }
    }
    for (const std::string& path : observed.unseen) {
        planner.keep(path, held.cgroups.at(path));
    }
    for (const ObservedCgroup& cgroup : observed.cgroups) {
        planner.add(cgroup, again);
    }
    Plan plan = planner.finish();
    plan.notes.insert(plan.notes.end(), observed.notes.begin(), observed.notes.end());
    shorten(plan.notes);
    note_left_out(observed, planner.left_out_of_users(), plan.notes);
    return plan;
}

Plan plan_new_cgroup(const ObservedCgroup& observed, const Held& held, std::uint64_t now_ns) {
    Planner planner(held, now_ns, &held);
    planner.add(observed, true);
    return planner.finish();
}

} // namespace rseq::enforce
