// SPDX-License-Identifier: GPL-2.0-or-later
// What changes of policies have led to, and what `policy check` has found.
#include "cli/policy_cells.h"
#include "cli/policy_view.h"
#include "core/escape.h"

namespace rseq::cli {

using enforce::ActionReport;
using enforce::ChangeReport;

namespace {

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

} // namespace

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
