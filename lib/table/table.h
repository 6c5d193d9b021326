// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <nlohmann/json.hpp>

#include <concepts>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace rseq {

/// JSON objects keep the order in which members were added: that of the columns.
using Json = nlohmann::ordered_json;

/// What a terminal may emphasize. Never part of JSON, and never the only carrier of a fact.
enum class Style : unsigned char { plain, good, warning, bad, dim };

/// One value in its two forms. Text is printed as it is, so it is escaped already.
struct Cell { // NOLINT(bugprone-exception-escape): nlohmann-json asserts in its move constructor
    std::string text;
    Json json;
    Style style = Style::plain;

    /// No value: "-" and null.
    [[nodiscard]] static Cell none();
    /// A word of ours.
    [[nodiscard]] static Cell word(std::string_view text, Style style = Style::plain);
    /// A name that somebody else chose: escaped as text, the bytes themselves in JSON (see dump()).
    [[nodiscard]] static Cell untrusted(std::string_view name);
    [[nodiscard]] static Cell number(std::integral auto value) {
        return {std::to_string(value), value, Style::plain};
    }
};

enum class Align : unsigned char { left, right };

/// Rows of cells that are printed as columns of text or as a JSON array with one object per row.
class Table {
public:
    struct Column {
        std::string header; ///< of the text; empty for a column that only JSON has
        std::string key;    ///< of the JSON member; empty for a column that only text has
        Align align = Align::left;
        /// For rows that are printed before the others are known.
        std::size_t min_width = 0;
    };

    explicit Table(std::vector<Column> columns);

    /// Adds a row with one cell for each column; fewer or more is a bug in the caller and asserted.
    void add(std::vector<Cell> row);

    [[nodiscard]] std::size_t size() const { return rows_.size(); }

    struct TextOptions {
        bool header = true;
        bool colour = false;
    };
    /// Lines of columns that are as wide as their widest cell and their least width, two blanks
    /// between, no blanks at the end. Widths count terminal columns of UTF-8 text in the current
    /// locale.
    [[nodiscard]] std::string to_text(const TextOptions& options) const;

    [[nodiscard]] Json to_json() const;

private:
    std::vector<Column> columns_;
    std::vector<std::vector<Cell>> rows_;
};

enum class JsonFormat : unsigned char { off, short_form, pretty };

/// The document with a newline at its end, on one line or indented. Bytes in strings that are not
/// UTF-8 become U+FFFD, so that the result is always valid JSON.
[[nodiscard]] std::string dump(const Json& document, JsonFormat format);

} // namespace rseq
