// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/policy_view.h"

#include "core/escape.h"
#include "core/parse.h"

#include <fmt/format.h>

#include <array>
#include <ctime>
#include <string_view>
#include <utility>

namespace rseq::cli {

namespace {

using enforce::ActionReport;
using enforce::ChangeReport;
using enforce::DropInReport;
using enforce::HeldReport;
using enforce::NoteReport;
using enforce::RuleReport;

constexpr int schema_version = 1;
constexpr std::size_t label_width = 12;

Json document_of(std::string_view name) {
    return {{"schema", "rseq-compat/" + std::string(name)}, {"version", schema_version}};
}

/// A word or name; a dash and null if it is empty.
Cell cell(const std::string& text, Style style = Style::plain) {
    Cell result = text.empty() ? Cell::none() : Cell::untrusted(text);
    result.style = style;
    return result;
}

Style style_of_state(std::string_view state) {
    return state == "failed" || state == "unenforceable"  ? Style::bad
           : state == "partial" || state == "not applied" ? Style::warning
                                                          : Style::plain;
}

/// FILE:LINE as text, the file alone in JSON.
Cell place_cell(const std::string& file, int line) {
    if (file.empty()) {
        return Cell::none();
    }
    Cell result = Cell::untrusted(file);
    if (line > 0) {
        result.text += fmt::format(":{}", line);
    }
    return result;
}

Cell line_cell(int line) {
    return line > 0 ? Cell::number(line) : Cell::none();
}

Cell match_cell(const RuleReport& rule) {
    Cell result;
    result.json = Json::object();
    for (const auto& [key, pattern] : rule.match) {
        result.text += (result.text.empty() ? "" : " ") + escape_untrusted(key) + "=" +
                       escape_untrusted(pattern);
        result.json[key] = pattern;
    }
    return result;
}

Cell processes_cell(const RuleReport& rule, bool counted) {
    if (!counted) {
        return Cell::none();
    }
    return {fmt::format("{}/{}", rule.comply, rule.do_not_comply),
            {{"comply", rule.comply}, {"do_not_comply", rule.do_not_comply}},
            rule.do_not_comply > 0 ? Style::warning : Style::plain};
}

/// "mode legacy, slice deny".
std::string settings_text(const std::string& mode, const std::string& slice) {
    std::string text = mode.empty() ? "" : "mode " + mode;
    if (!slice.empty()) {
        text += (text.empty() ? "slice " : ", slice ") + slice;
    }
    return escape_untrusted(text);
}

Cell time_cell(std::uint64_t usec) {
    constexpr std::uint64_t usec_per_sec = 1'000'000;
    const auto seconds = static_cast<std::time_t>(usec / usec_per_sec);
    std::tm local{};
    std::array<char, 64> text{};
    if (::localtime_r(&seconds, &local) == nullptr ||
        std::strftime(text.data(), text.size(), "%b %d %H:%M:%S", &local) == 0) {
        return Cell::none();
    }
    return {text.data(), usec, Style::plain};
}

Table held_table(const std::vector<HeldReport>& held) {
    Table table({{"WRITTEN TO", "cgroup"},
                 {"SETTING", ""},
                 {"REPLACED", ""},
                 {"", "mode"},
                 {"", "mode_before"},
                 {"", "slice"},
                 {"", "slice_before"},
                 {"RULE", "rule"},
                 {"SINCE", "since_usec"}});
    for (const HeldReport& entry : held) {
        table.add({Cell::untrusted(entry.cgroup),
                   {settings_text(entry.mode, entry.slice), nullptr},
                   {settings_text(entry.mode_before, entry.slice_before), nullptr},
                   cell(entry.mode),
                   cell(entry.mode_before),
                   cell(entry.slice),
                   cell(entry.slice_before),
                   cell(entry.rule),
                   time_cell(entry.since_usec)});
    }
    return table;
}

Table drop_in_table(const std::vector<DropInReport>& drop_ins) {
    Table table({{"", "unit"}, {"", "path"}, {"", "text"}});
    for (const DropInReport& drop_in : drop_ins) {
        table.add({Cell::untrusted(drop_in.unit), Cell::untrusted(drop_in.path),
                   Cell::untrusted(drop_in.text)});
    }
    return table;
}

/// What the text of a drop-in says to systemd, one line each.
std::vector<std::string> directives(std::string_view text) {
    std::vector<std::string> lines;
    while (!text.empty()) {
        const std::string_view line = trim(take_until(text, '\n'));
        if (!line.empty() && line.front() != '#') {
            lines.push_back(escape_untrusted(line));
        }
    }
    return lines;
}

/// One line of what an action writes or replaces.
Cell content_cell(const std::string& text) {
    Cell result = cell(text);
    if (text.find('\n') != std::string::npos) {
        result.text.clear();
        for (const std::string& line : directives(text)) {
            if (line.front() != '[') {
                result.text += (result.text.empty() ? "" : "; ") + line;
            }
        }
        result.text = result.text.empty() ? "(empty)" : result.text;
    }
    return result;
}

Table action_table(const std::vector<ActionReport>& actions) {
    Table table({{"ACTION", "action"},
                 {"TARGET", "target"},
                 {"WANTED", "wanted"},
                 {"BEFORE", "before"},
                 {"RULE", "rule"},
                 {"", "file"},
                 {"", "line"},
                 {"STATE", "state"},
                 {"", "error"}});
    for (const ActionReport& action : actions) {
        table.add({Cell::untrusted(action.kind), cell(action.target), content_cell(action.wanted),
                   content_cell(action.before), cell(action.rule), cell(action.file),
                   line_cell(action.line),
                   cell(action.state, action.state == "failed" ? Style::bad : Style::plain),
                   cell(action.error)});
    }
    return table;
}

Table note_table(const std::vector<NoteReport>& notes) {
    Table table({{"", "kind"},
                 {"", "target"},
                 {"", "what"},
                 {"", "reason"},
                 {"", "rule"},
                 {"", "file"},
                 {"", "line"}});
    for (const NoteReport& note : notes) {
        table.add({Cell::untrusted(note.kind), cell(note.target), Cell::untrusted(note.what),
                   Cell::untrusted(note.reason), cell(note.rule), cell(note.file),
                   line_cell(note.line)});
    }
    return table;
}

/// "unenforceable: mode legacy of x.service: unenforceable on this kernel (rule x, FILE:LINE)"
std::string note_to_text(const NoteReport& note) {
    std::string text = note.kind + ": " + note.what;
    if (!note.target.empty()) {
        text += " of " + note.target;
    }
    text += ": " + note.reason;
    if (!note.rule.empty()) {
        text += fmt::format(" (rule {}, {}:{})", note.rule, note.file, note.line);
    }
    return escape_untrusted(text) + "\n";
}

std::string notes_to_text(const std::vector<NoteReport>& notes) {
    std::string text;
    for (const NoteReport& note : notes) {
        text += note_to_text(note);
    }
    return text;
}

Table member_table(const std::vector<snapshot::Process>& processes) {
    Table table({{"PID", "pid", Align::right},
                 {"", "start_ticks"},
                 {"COMM", "comm"},
                 {"CGROUP", "cgroup"},
                 {"MODE", "mode"},
                 {"POLICY", "policy"},
                 {"COMPLIANT", "compliant"},
                 {"", "compliance_reason"}});
    for (const snapshot::Process& process : processes) {
        table.add({Cell::number(process.key.pid), Cell::number(process.key.start_ticks),
                   Cell::untrusted(process.comm), cell(process.cgroup), mode_cell(process.mode()),
                   policy_cell(process.policy), compliant_cell(process),
                   cell(process.compliance_reason)});
    }
    return table;
}

std::string labelled(std::string_view label, const std::string& value) {
    return fmt::format("{:<{}}{}\n", std::string(label) + ":", label_width, value);
}

/// "mode legacy, expect v1".
std::string wishes(const enforce::TargetReport& target) {
    std::string text;
    for (const auto& [key, value] :
         {std::pair("mode", &target.mode), std::pair("slice", &target.slice),
          std::pair("glibc", &target.glibc), std::pair("expect", &target.expect)}) {
        if (!value->empty()) {
            text += (text.empty() ? "" : ", ") + std::string(key) + " " + *value;
        }
    }
    return escape_untrusted(text);
}

std::string effective_text(const enforce::TargetReport& target) {
    std::string by;
    if (!target.mode_rule.empty()) {
        by = "mode by " + target.mode_rule;
    }
    if (!target.slice_rule.empty()) {
        by += (by.empty() ? "slice by " : ", slice by ") + target.slice_rule;
    }
    return escape_untrusted(target.effective + (by.empty() ? "" : " (" + by + ")"));
}

std::string heading(const Shown& shown) {
    const enforce::TargetReport& target = shown.target;
    std::string text;
    if (!target.unit.empty()) {
        text += labelled("Unit", escape_untrusted(target.unit));
    }
    if (!target.cgroup.empty()) {
        text += labelled("Cgroup", escape_untrusted(target.cgroup));
    }
    text += labelled("Rule", target.rule.empty() ? "none" : escape_untrusted(target.rule));
    if (!target.rule.empty()) {
        text += labelled("Written in", fmt::format("{}:{}:{}", escape_untrusted(target.origin.file),
                                                   target.origin.line, target.origin.column));
        text += labelled("Asks for", wishes(target));
    }
    if (shown.rule) {
        text += labelled(
            "State",
            escape_untrusted(shown.rule->state +
                             (shown.rule->reason.empty() ? "" : " (" + shown.rule->reason + ")")));
    }
    if (!target.effective.empty()) {
        text += labelled("Effective", effective_text(target));
    }
    return text;
}

Json rule_to_json(const RuleReport& rule) {
    return rule_table({rule}, true).to_json().at(0);
}

Json text_or_null(const std::string& text) {
    return text.empty() ? Json(nullptr) : Json(text);
}

} // namespace

Table rule_table(const std::vector<RuleReport>& rules, bool counted) {
    Table table({{"RULE", "name"},
                 {"MATCH", "match"},
                 {"MODE", "mode"},
                 {"SLICE", "slice"},
                 {"GLIBC", "glibc"},
                 {"EXPECT", "expect"},
                 {"STATE", "state"},
                 {"", "reason"},
                 {"PROCESSES", "processes"},
                 {"FILE", "file"},
                 {"", "line"},
                 {"", "column"}});
    for (const RuleReport& rule : rules) {
        table.add({cell(rule.name), match_cell(rule), cell(rule.mode), cell(rule.slice),
                   cell(rule.glibc), cell(rule.expect),
                   cell(rule.state, style_of_state(rule.state)), cell(rule.reason),
                   processes_cell(rule, counted), place_cell(rule.origin.file, rule.origin.line),
                   line_cell(rule.origin.line), line_cell(rule.origin.column)});
    }
    return table;
}

std::string reasons_to_text(const std::vector<RuleReport>& rules) {
    std::string text;
    for (const RuleReport& rule : rules) {
        if (!rule.reason.empty()) {
            text += escape_untrusted(rule.name + ": " + rule.reason) + "\n";
        }
    }
    return text;
}

Json list_document(const Origin& origin, const std::vector<RuleReport>& rules) {
    Json document = document_of("policy-list");
    document["from"] = origin_to_json(origin);
    document["rules"] = rule_table(rules, origin.asked == Asked::daemon).to_json();
    return document;
}

std::string shown_to_text(const Shown& shown, bool legend, bool colour) {
    const Table::TextOptions options{.header = legend, .colour = colour};
    std::string text = shown.everything ? "" : heading(shown);
    const auto separate = [&] {
        text += text.empty() ? "" : "\n";
    };
    if (!shown.target.held.empty()) {
        separate();
        text += held_table(shown.target.held).to_text(options);
    }
    for (const DropInReport& drop_in : shown.target.drop_ins) {
        separate();
        text += labelled("Drop-in", escape_untrusted(drop_in.path));
        for (const std::string& line : directives(drop_in.text)) {
            text += std::string(label_width, ' ') + line + "\n";
        }
    }
    if (!shown.processes.empty()) {
        separate();
        text += member_table(shown.processes).to_text(options);
    }
    if (!shown.target.notes.empty()) {
        separate();
        text += notes_to_text(shown.target.notes);
    }
    return text;
}

Json shown_document(const Origin& origin, const Shown& shown) {
    Json document = document_of("policy-show");
    document["from"] = origin_to_json(origin);
    document["unit"] = text_or_null(shown.target.unit);
    document["cgroup"] = text_or_null(shown.target.cgroup);
    document["rule"] = shown.rule ? rule_to_json(*shown.rule) : Json(nullptr);
    document["effective"] = text_or_null(shown.target.effective);
    document["mode_rule"] = text_or_null(shown.target.mode_rule);
    document["slice_rule"] = text_or_null(shown.target.slice_rule);
    document["held"] = held_table(shown.target.held).to_json();
    document["drop_ins"] = drop_in_table(shown.target.drop_ins).to_json();
    document["processes"] = member_table(shown.processes).to_json();
    document["notes"] = note_table(shown.target.notes).to_json();
    return document;
}

std::string change_to_text(const ChangeReport& change, bool legend, bool colour) {
    std::string text;
    if (!change.actions.empty()) {
        text += action_table(change.actions).to_text({.header = legend, .colour = colour});
    }
    for (const ActionReport& action : change.actions) {
        if (!action.error.empty()) {
            text += escape_untrusted("failed: " + action.error) + "\n";
        }
    }
    return text + notes_to_text(change.notes);
}

Json change_document(const Origin& origin, const ChangeReport& change, bool dry_run) {
    Json document = document_of("policy-change");
    document["from"] = origin_to_json(origin);
    document["dry_run"] = dry_run;
    document["files"] = change.files;
    document["complete"] = change.complete;
    document["actions"] = action_table(change.actions).to_json();
    document["notes"] = note_table(change.notes).to_json();
    return document;
}

Json check_document(const std::vector<std::string>& files, std::size_t rules,
                    const config::Diagnostics& errors) {
    Json document = document_of("policy-check");
    document["files"] = files;
    document["rules"] = rules;
    Table table({{"", "file"}, {"", "line"}, {"", "column"}, {"", "message"}, {"", "hint"}});
    for (const config::Diagnostic& error : errors) {
        table.add({Cell::untrusted(error.file), line_cell(error.line), line_cell(error.column),
                   Cell::untrusted(error.message), cell(error.hint)});
    }
    document["errors"] = table.to_json();
    return document;
}

} // namespace rseq::cli
