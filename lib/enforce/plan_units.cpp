// SPDX-License-Identifier: GPL-2.0-or-later
#include "enforce/plan_units.h"

#include "enforce/tunables.h"
#include "enforce/unit_name.h"
#include "policy/match.h"

#include <algorithm>
#include <cerrno>
#include <set>
#include <utility>

namespace rseq::enforce {

namespace {

using policy::Rule;

/// Whether a rule can have a say in which drop-in a service gets.
bool decides_units(const Rule& rule) {
    return rule.match.only_cgroup() && rule.match.unit;
}

/// What a drop-in can have beside a look: there are rules that only keep others off.
std::vector<std::string> candidates(std::span<const Rule> rules,
                                    const std::vector<std::string>& services) {
    std::set<std::string> names;
    for (const Rule& rule : rules) {
        if (!decides_units(rule)) {
            continue;
        }
        if (auto name = service_of(*rule.match.unit)) {
            names.insert(std::move(*name));
        } else if (auto common = rule.enforces() ? template_of(*rule.match.unit) : std::nullopt) {
            names.insert(std::move(*common));
        }
    }
    for (const std::string& service : services) {
        const auto matches = [&](const Rule& rule) {
            return decides_units(rule) && !rule.match.unit->is_literal() &&
                   rule.match.unit->matches(service, service);
        };
        if (is_service(service) && std::any_of(rules.begin(), rules.end(), matches)) {
            names.insert(service);
        }
    }
    return {names.begin(), names.end()};
}

bool is_template(std::string_view unit) {
    return unit.ends_with("@.service");
}

/// Whether some text that begins with `head` can match the glob.
bool may_match(const Glob& glob, std::string_view head) {
    const std::string_view pattern = glob.pattern();
    const std::string_view fixed = pattern.substr(0, pattern.find_first_of("*?["));
    return glob.is_literal() ? fixed.starts_with(head)
                             : fixed.starts_with(head) || head.starts_with(fixed);
}

class Planner {
public:
    Planner(std::span<const Rule> rules, const DropIns& drop_ins, const Units& units,
            const KernelFacts& kernel, std::string_view hold_program)
        : rules_(rules), drop_ins_(drop_ins), units_(units), kernel_(kernel),
          hold_program_(hold_program) {}

    Plan make(bool reload_pending) {
        const auto names = candidates(rules_, units_.services);
        for (const std::string& name : names) {
            if (is_template(name)) {
                add_template(name);
            }
        }
        for (const std::string& name : names) {
            if (!is_template(name)) {
                add_service(name);
            }
        }
        note_what_is_no_service();
        Plan plan;
        plan.actions = actions();
        plan.held.reload_pending = false;
        if (!plan.actions.empty() || reload_pending) {
            plan.actions.emplace_back().kind = ActionKind::reload;
        }
        plan.notes = std::move(notes_);
        return plan;
    }

private:
    struct Wanted {
        std::string text;
        const Rule* rule = nullptr;
    };

    void note(NoteKind kind, std::string target, std::string what, std::string reason,
              const Rule& rule) {
        notes_.push_back(
            {kind, std::move(target), std::move(what), std::move(reason), rule.name, rule.origin});
    }

    [[nodiscard]] const UnitFacts* facts_of(const std::string& unit) const {
        const auto found = units_.facts.find(unit);
        return found == units_.facts.end() ? nullptr : &found->second;
    }

    [[nodiscard]] std::string slice_of(const std::string& unit) const {
        const UnitFacts* const facts = facts_of(unit);
        return facts != nullptr && !facts->slice.empty() ? facts->slice : default_slice(unit);
    }

    /// The first rule that matches all instances of the template, if it decides for all of them.
    void add_template(const std::string& name) {
        const std::string head = name.substr(0, name.find('@') + 1);
        const std::string cgroup_head = cgroup_of_unit(slice_of(name), head);
        for (const Rule& rule : rules_) {
            if (!rule.match.only_cgroup()) {
                continue;
            }
            const auto& unit = rule.match.unit;
            if (unit && template_of(*unit) == name && !rule.match.cgroup) {
                want(name, rule);
                return;
            }
            // One instance that a rule names has a drop-in of its own.
            const bool may_decide =
                (!unit || (!unit->is_literal() && may_match(Glob(unit->pattern()), head))) &&
                (!rule.match.cgroup || may_match(*rule.match.cgroup, cgroup_head));
            if (may_decide) {
                note(NoteKind::partial, name, "drop-in",
                     "only instances that are known have one, because this rule may be for "
                     "others",
                     rule);
                return;
            }
        }
    }

    void add_service(const std::string& name) {
        const UnitFacts* const facts = facts_of(name);
        policy::Subject subject;
        subject.unit = name;
        subject.unit_display = name;
        subject.cgroup = cgroup_of_unit(slice_of(name), name);
        const Rule* const rule = policy::match_cgroup(subject, rules_);
        if (rule == nullptr) {
            return;
        }
        if (facts != nullptr && !facts->id.empty() && facts->id != name) {
            if (rule->enforces()) {
                note(NoteKind::unenforceable, name, "drop-in",
                     "it is an alias: the rule has to name " + facts->id, *rule);
            }
            return;
        }
        const auto common = template_of_instance(name);
        const auto template_text = common ? wanted_.find(*common) : wanted_.end();
        want(name, *rule);
        if (template_text == wanted_.end() || kept_.contains(name)) {
            return;
        }
        const auto own = wanted_.find(name);
        if (own == wanted_.end()) {
            // Nothing is wanted here, and the drop-in of the template would give it.
            if (auto empty = drop_in_text({}, *rule, hold_program_)) {
                wanted_[name] = {std::move(*empty), rule};
            }
        } else if (own->second.text == template_text->second.text) {
            wanted_.erase(own);
        }
    }

    void want(const std::string& name, const Rule& rule) {
        const DropIn drop_in = content(name, rule);
        if (drop_in.empty() || kept_.contains(name)) {
            return;
        }
        auto text = drop_in_text(drop_in, rule, hold_program_);
        if (text) {
            wanted_[name] = {std::move(*text), &rule};
        } else {
            note(NoteKind::unenforceable, name, "glibc", text.error().context, rule);
        }
    }

    DropIn content(const std::string& name, const Rule& rule) {
        DropIn drop_in;
        if (kernel_.abi != 0) {
            drop_in.hold = {rule.mode.value_or(PolicyMode()), rule.slice.value_or(PolicySlice())};
        } else if (rule.mode == PolicyMode::off) {
            drop_in.filter = can_filter(name, rule);
        }
        if (rule.glibc) {
            drop_in.tunables = tunables(name, rule);
        }
        return drop_in;
    }

    const UnitFacts* facts_for(const std::string& name, const std::string& what, const Rule& rule) {
        const UnitFacts* const facts = facts_of(name);
        if (facts == nullptr) {
            note(NoteKind::unenforceable, name, what,
                 units_.unreachable.empty()
                     ? "the service manager does not know the unit"
                     : "the service manager cannot be asked: " + units_.unreachable,
                 rule);
            kept_.insert(name);
        }
        return facts;
    }

    bool can_filter(const std::string& name, const Rule& rule) {
        const UnitFacts* const facts = facts_for(name, "mode off", rule);
        if (facts != nullptr && facts->allow_list && facts->filter_error != ENOSYS) {
            note(NoteKind::unenforceable, name, "mode off",
                 "its SystemCallFilter= is a list of allowed calls: rseq taken from it would not "
                 "fail with ENOSYS but kill",
                 rule);
            return false;
        }
        return facts != nullptr;
    }

    std::string tunables(const std::string& name, const Rule& rule) {
        const std::string what = *rule.glibc ? "glibc on" : "glibc off";
        const UnitFacts* const facts = facts_for(name, what, rule);
        if (facts == nullptr) {
            return {};
        }
        if (facts->tunables_in_file) {
            note(NoteKind::unenforceable, name, what,
                 "an EnvironmentFile= of the unit sets GLIBC_TUNABLES", rule);
            return {};
        }
        return with_rseq_tunable(tunables_in(facts->environment), *rule.glibc);
    }

    /// What can only be set for services was asked for something else.
    void note_what_is_no_service() {
        for (const Rule& rule : rules_) {
            if (!decides_units(rule) || !rule.match.unit->is_literal() ||
                service_of(*rule.match.unit)) {
                continue;
            }
            const std::string& name = rule.match.unit->pattern();
            const bool is_a_template = is_template(name);
            const std::string why = is_a_template
                                        ? "it is a template: its instances are " +
                                              name.substr(0, name.find('@') + 1) + "*.service"
                                        : std::string("only a service of the system has drop-ins");
            if (rule.glibc) {
                note(NoteKind::unenforceable, name, *rule.glibc ? "glibc on" : "glibc off", why,
                     rule);
            }
            if (rule.mode == PolicyMode::off && kernel_.abi == 0) {
                note(NoteKind::unenforceable, name, "mode off", why, rule);
            } else if (is_a_template && (rule.mode || rule.slice)) {
                note(NoteKind::unenforceable, name, "its cgroup", why, rule);
            }
        }
    }

    std::vector<Action> actions() {
        std::vector<Action> actions;
        for (auto& [unit, wanted] : wanted_) {
            const auto there = drop_ins_.find(unit);
            const std::string before = there == drop_ins_.end() ? "" : there->second;
            if (there != drop_ins_.end() && !is_ours(before)) {
                note(NoteKind::left_alone, unit, "drop-in",
                     "somebody else has put a " + std::string(drop_in_name) + " there",
                     *wanted.rule);
            } else if (before != wanted.text) {
                Action& action = actions.emplace_back();
                action.kind = ActionKind::write_drop_in;
                action.target = unit;
                action.text = wanted.text;
                action.text_before = before;
                action.rule = wanted.rule->name;
                action.origin = wanted.rule->origin;
            }
        }
        for (const auto& [unit, text] : drop_ins_) {
            if (is_ours(text) && !wanted_.contains(unit) && !kept_.contains(unit)) {
                Action& action = actions.emplace_back();
                action.kind = ActionKind::remove_drop_in;
                action.target = unit;
                action.text_before = text;
            }
        }
        return actions;
    }

    std::span<const Rule> rules_;
    const DropIns& drop_ins_;
    const Units& units_;
    const KernelFacts& kernel_;
    std::string_view hold_program_;
    std::map<std::string, Wanted> wanted_; ///< by unit or template
    /// What they should have cannot be told now: what they have stays.
    std::set<std::string> kept_;
    std::vector<Note> notes_;
};

} // namespace

bool needs_service_names(std::span<const Rule> rules) {
    return std::any_of(rules.begin(), rules.end(), [](const Rule& rule) {
        return decides_units(rule) && rule.enforces() && !rule.match.unit->is_literal();
    });
}

std::vector<std::string> units_to_ask(std::span<const Rule> rules,
                                      const std::vector<std::string>& services) {
    return candidates(rules, services);
}

std::string instance_for_facts(const std::string& unit) {
    if (!is_template(unit)) {
        return unit;
    }
    std::string name = unit;
    return name.insert(name.find('@') + 1, "rseq");
}

Plan plan_units(std::span<const Rule> rules, const DropIns& drop_ins, const Units& units,
                const KernelFacts& kernel, bool reload_pending, std::string_view hold_program) {
    return Planner(rules, drop_ins, units, kernel, hold_program).make(reload_pending);
}

std::vector<Note> unenforceable(std::span<const Rule> rules, const KernelFacts& kernel) {
    std::vector<Note> notes;
    if (kernel.abi != 0) {
        return notes;
    }
    for (const Rule& rule : rules) {
        const std::string target = rule.match.unit     ? rule.match.unit->pattern()
                                   : rule.match.cgroup ? rule.match.cgroup->pattern()
                                                       : std::string();
        const auto add = [&](const Setting& setting) {
            notes.push_back({NoteKind::unenforceable, target, to_line(setting),
                             std::string(unenforceable_here), rule.name, rule.origin});
        };
        // Only a service can have a filter of system calls instead.
        if (rule.mode == PolicyMode::legacy || (rule.mode == PolicyMode::off && !rule.match.unit)) {
            add(*rule.mode);
        }
        if (rule.slice == PolicySlice::deny) {
            add(*rule.slice);
        }
    }
    return notes;
}

} // namespace rseq::enforce
