// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/policy_view.h"

#include "cli/policy_cells.h"
#include "core/escape.h"

#include <fmt/format.h>

#include <array>
#include <ctime>
#include <string_view>
#include <utility>

namespace rseq::cli {

namespace {

using enforce::DropInReport;
using enforce::HeldReport;
using enforce::RuleReport;

constexpr std::size_t label_width = 12;

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

} // namespace rseq::cli
