// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/policy_cells.h"

#include "core/escape.h"
#include "core/parse.h"

#include <fmt/format.h>

namespace rseq::cli {

using enforce::NoteReport;

namespace {

constexpr int schema_version = 1;

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

} // namespace

Json document_of(std::string_view name) {
    return {{"schema", "rseq-compat/" + std::string(name)}, {"version", schema_version}};
}

Cell cell(const std::string& text, Style style) {
    Cell result = text.empty() ? Cell::none() : Cell::untrusted(text);
    result.style = style;
    return result;
}

Cell line_cell(int line) {
    return line > 0 ? Cell::number(line) : Cell::none();
}

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

std::string notes_to_text(const std::vector<NoteReport>& notes) {
    std::string text;
    for (const NoteReport& note : notes) {
        text += note_to_text(note);
    }
    return text;
}

} // namespace rseq::cli
