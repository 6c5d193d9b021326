// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include "enforce/report.h"
#include "table/table.h"

#include <string>
#include <string_view>
#include <vector>

/// What the views of `rseqctl policy` have in common. Internal to them.
namespace rseq::cli {

/// The beginning of the document rseq-compat/NAME.
[[nodiscard]] Json document_of(std::string_view name);

/// A word or name; a dash and null if it is empty.
[[nodiscard]] Cell cell(const std::string& text, Style style = Style::plain);
/// A dash and null if it is none.
[[nodiscard]] Cell line_cell(int line);

/// What the text of a drop-in says to systemd, one line each.
[[nodiscard]] std::vector<std::string> directives(std::string_view text);

[[nodiscard]] Table note_table(const std::vector<enforce::NoteReport>& notes);
/// A line for each.
[[nodiscard]] std::string notes_to_text(const std::vector<enforce::NoteReport>& notes);

} // namespace rseq::cli
