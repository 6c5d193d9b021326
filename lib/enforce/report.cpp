// SPDX-License-Identifier: GPL-2.0-or-later
#include "enforce/report.h"

#include "enforce/unit_name.h"

#include <algorithm>
#include <optional>
#include <tuple>

namespace rseq::enforce {

namespace {

using policy::Rule;

template <class Word>
std::string word(const std::optional<Word>& value) {
    return value ? std::string(rseq::to_string(*value)) : std::string();
}

std::string word(const std::optional<bool>& value) {
    return !value ? "" : *value ? "on" : "off";
}

std::string line_of(const std::optional<Setting>& setting, const std::string& text) {
    return setting ? to_line(*setting) : text;
}

std::vector<std::pair<std::string, std::string>> report_match(const policy::Match& match) {
    std::vector<std::pair<std::string, std::string>> result;
    if (match.unit) {
        result.emplace_back("unit", match.unit->pattern());
    }
    if (match.cgroup) {
        result.emplace_back("cgroup", match.cgroup->pattern());
    }
    if (match.exe) {
        result.emplace_back("exe", match.exe->pattern());
    }
    if (match.comm) {
        result.emplace_back("comm", match.comm->pattern());
    }
    if (match.uid) {
        result.emplace_back("uid", std::to_string(*match.uid));
    }
    return result;
}

/// Whether an action is taken for the rule; a reload is for all that ask for drop-ins.
bool is_of(const Action& action, const Rule& rule) {
    return action.rule == rule.name ||
           (action.kind == ActionKind::reload && rule.enforces() && rule.match.unit);
}

std::pair<std::string, std::string> state_of(const Rule& rule, const Applied& last) {
    const auto failed =
        std::find_if(last.outcomes.begin(), last.outcomes.end(), [&](const Outcome& outcome) {
            return outcome.error && is_of(outcome.action, rule);
        });
    if (failed != last.outcomes.end()) {
        return {"failed", failed->error->message()};
    }
    for (const NoteKind kind : {NoteKind::unenforceable, NoteKind::left_alone, NoteKind::partial}) {
        const auto note = std::find_if(last.notes.begin(), last.notes.end(), [&](const Note& one) {
            return one.kind == kind && one.rule == rule.name;
        });
        if (note != last.notes.end()) {
            return {kind == NoteKind::unenforceable ? "unenforceable" : "partial",
                    note->what + ": " + note->reason};
        }
    }
    const bool is_missing = last.dry_run && std::any_of(last.outcomes.begin(), last.outcomes.end(),
                                                        [&](const Outcome& outcome) {
                                                            return outcome.action.rule == rule.name;
                                                        });
    return {is_missing ? "not applied" : rule.enforces() ? "enforced" : "expected", {}};
}

NoteReport report_note(const Note& note) {
    return {std::string(to_string(note.kind)),
            note.target,
            note.what,
            note.reason,
            note.rule,
            note.origin.file,
            note.origin.line};
}

ActionReport report_outcome(const Outcome& outcome, bool dry_run) {
    const Action& action = outcome.action;
    return {std::string(to_string(action.kind)),
            action.target,
            line_of(action.setting, action.text),
            line_of(action.setting_before, action.text_before),
            action.rule,
            action.origin.file,
            action.origin.line,
            outcome.error ? "failed"
            : dry_run     ? "planned"
                          : "done",
            outcome.error ? outcome.error->message() : std::string()};
}

/// Whether `above` is the cgroup `path` or one that it is in.
bool covers(const std::string& above, const std::string& path) {
    return above == "/" || path == above || path.starts_with(above + "/");
}

std::vector<HeldReport> report_held(const std::string& cgroup, const Situation& situation) {
    std::vector<HeldReport> result;
    for (const auto& [path, entry] : situation.held.cgroups) {
        if (cgroup.empty() || (!covers(path, cgroup) && !covers(cgroup, path))) {
            continue;
        }
        HeldReport& held = result.emplace_back();
        held.cgroup = path;
        if (entry.mode) {
            held.mode = rseq::to_string(entry.mode->wrote);
            held.mode_before = rseq::to_string(entry.mode->before);
        }
        if (entry.slice) {
            held.slice = rseq::to_string(entry.slice->wrote);
            held.slice_before = rseq::to_string(entry.slice->before);
        }
        held.rule = entry.rule;
        held.since_usec = static_cast<std::uint64_t>(
            static_cast<std::int64_t>(entry.since_ns / 1000) + situation.realtime_offset_usec);
    }
    return result;
}

DropInReport report_drop_in(const DropIns::value_type& drop_in) {
    return {drop_in.first, std::string(drop_in_root) + "/" + drop_in.first + ".d/" + drop_in_name,
            drop_in.second};
}

/// Those of ours that are for the unit: its own, otherwise that of its template.
std::vector<DropInReport> report_drop_ins(const std::string& unit, const DropIns& drop_ins) {
    auto found = drop_ins.find(unit);
    if (found == drop_ins.end()) {
        const auto common = template_of_instance(unit);
        found = common ? drop_ins.find(*common) : drop_ins.end();
    }
    if (found == drop_ins.end()) {
        return {};
    }
    return {report_drop_in(*found)};
}

void report_decision(TargetReport& report, const policy::Decision& decision) {
    if (const Rule* const rule = decision.rule; rule != nullptr) {
        report.rule = rule->name;
        report.origin = rule->origin;
        report.mode = word(rule->mode);
        report.slice = word(rule->slice);
        report.glibc = word(rule->glibc);
        report.expect = word(rule->expect);
    }
    report.effective = rseq::to_string(decision.effective);
    report.mode_rule = decision.mode_rule != nullptr ? decision.mode_rule->name : "";
    report.slice_rule = decision.slice_rule != nullptr ? decision.slice_rule->name : "";
}

} // namespace

bool Applied::complete() const {
    return std::none_of(outcomes.begin(), outcomes.end(),
                        [](const Outcome& outcome) { return outcome.error.has_value(); }) &&
           std::none_of(notes.begin(), notes.end(),
                        [](const Note& note) { return note.kind == NoteKind::unenforceable; });
}

RuleReport report_rule(const Rule& rule, const Applied& last) {
    RuleReport report;
    report.name = rule.name;
    report.origin = rule.origin;
    report.match = report_match(rule.match);
    report.mode = word(rule.mode);
    report.slice = word(rule.slice);
    report.glibc = word(rule.glibc);
    report.expect = word(rule.expect);
    std::tie(report.state, report.reason) = state_of(rule, last);
    return report;
}

ChangeReport report_change(std::vector<std::string> files, const Applied& applied) {
    ChangeReport report;
    report.files = std::move(files);
    report.complete = applied.complete();
    for (const Outcome& outcome : applied.outcomes) {
        report.actions.push_back(report_outcome(outcome, applied.dry_run));
    }
    for (const Note& note : applied.notes) {
        report.notes.push_back(report_note(note));
    }
    return report;
}

TargetReport report_target(const std::string& unit, const std::string& cgroup,
                           const Situation& situation) {
    TargetReport report;
    report.unit = unit;
    report.cgroup = cgroup;
    policy::Decision decision;
    if (cgroup.empty()) {
        policy::Subject subject;
        subject.unit = unit;
        subject.unit_display = unit;
        decision.rule = policy::match_cgroup(subject, situation.rules);
    } else {
        decision = policy::decide(cgroup, situation.rules);
    }
    report_decision(report, decision);
    report.held = report_held(cgroup, situation);
    const bool is_everything = cgroup == "/";
    if (is_everything) {
        for (const auto& drop_in : situation.drop_ins) {
            if (is_ours(drop_in.second)) {
                report.drop_ins.push_back(report_drop_in(drop_in));
            }
        }
    } else {
        report.drop_ins = report_drop_ins(unit, situation.drop_ins);
    }
    for (const Note& note : situation.last.notes) {
        if (is_everything || note.target == unit || note.target == cgroup ||
            (decision.rule != nullptr && note.rule == decision.rule->name)) {
            report.notes.push_back(report_note(note));
        }
    }
    return report;
}

std::string own_cgroup(std::string_view path, const proc::Unit& unit) {
    const std::size_t at = path.find("/" + unit.name);
    const std::size_t end = at == std::string_view::npos ? at : path.find('/', at + 1);
    return std::string(path.substr(0, end));
}

std::string usual_cgroup(const std::string& unit, const Held& held) {
    const auto found =
        std::find_if(held.cgroups.begin(), held.cgroups.end(), [&](const auto& entry) {
            const proc::Unit one = proc::unit_of_cgroup(entry.first);
            return one.display_name() == unit && own_cgroup(entry.first, one) == entry.first;
        });
    if (found != held.cgroups.end() && !unit.empty()) {
        return found->first;
    }
    if (unit.ends_with(".slice")) {
        std::string path = cgroup_of_unit(unit, "");
        path.pop_back();
        return path.empty() ? "/" : path;
    }
    return is_service(unit) ? cgroup_of_unit(default_slice(unit), unit) : std::string();
}

std::string complete_unit_name(const std::string& name) {
    return service_of(proc::UnitPattern(name)).value_or(name);
}

} // namespace rseq::enforce
