// SPDX-License-Identifier: GPL-2.0-or-later
#include "table/table.h"

#include "core/escape.h"

#include <algorithm>
#include <cassert>
#include <cstdlib>
#include <cwchar>
#include <utility>

namespace rseq {

namespace {

/// Terminal columns that `text` takes. Bytes that the locale cannot read count as one each.
std::size_t display_width(std::string_view text) {
    const auto ascii = [](char c) {
        return static_cast<unsigned char>(c) < 0x80;
    };
    if (std::all_of(text.begin(), text.end(), ascii)) {
        return text.size();
    }
    std::size_t width = 0;
    std::mbstate_t state{};
    while (!text.empty()) {
        wchar_t c = 0;
        std::size_t used = std::mbrtowc(&c, text.data(), text.size(), &state);
        int columns = 1;
        if (used == 0 || used > text.size()) {
            used = 1;
            state = {};
        } else {
            columns = std::max(0, ::wcwidth(c));
        }
        width += static_cast<std::size_t>(columns);
        text.remove_prefix(used);
    }
    return width;
}

std::string_view escape_code(Style style) {
    switch (style) {
    case Style::good:
        return "\x1b[32m";
    case Style::warning:
        return "\x1b[33m";
    case Style::bad:
        return "\x1b[31m";
    case Style::dim:
        return "\x1b[2m";
    case Style::plain:
        break;
    }
    return {};
}

} // namespace

Cell Cell::none() {
    return {"-", nullptr, Style::dim};
}

Cell Cell::word(std::string_view text, Style style) {
    return {std::string(text), std::string(text), style};
}

Cell Cell::untrusted(std::string_view name) {
    return {escape_untrusted(name), std::string(name), Style::plain};
}

Table::Table(std::vector<Column> columns) : columns_(std::move(columns)) {}

void Table::add(std::vector<Cell> row) {
    assert(row.size() == columns_.size());
    rows_.push_back(std::move(row));
}

std::string Table::to_text(const TextOptions& options) const {
    std::vector<std::size_t> widths(columns_.size(), 0);
    std::vector<std::size_t> shown;
    for (std::size_t i = 0; i < columns_.size(); i++) {
        if (columns_[i].header.empty()) {
            continue;
        }
        shown.push_back(i);
        widths[i] =
            std::max(columns_[i].min_width, options.header ? display_width(columns_[i].header) : 0);
        for (const auto& row : rows_) {
            widths[i] = std::max(widths[i], display_width(row[i].text));
        }
    }

    std::string out;
    const auto append_line = [&](const auto& text_of, const auto& style_of) {
        std::size_t blanks = 0; // held back until something follows, so that no line ends in them
        for (const std::size_t i : shown) {
            const std::string& text = text_of(i);
            const std::size_t padding = widths[i] - display_width(text);
            if (columns_[i].align == Align::right) {
                blanks += padding;
            }
            if (!text.empty()) {
                out.append(std::exchange(blanks, 0), ' ');
                const std::string_view code = options.colour ? escape_code(style_of(i)) : "";
                out += code;
                out += text;
                if (!code.empty()) {
                    out += "\x1b[0m";
                }
            }
            if (columns_[i].align == Align::left) {
                blanks += padding;
            }
            blanks += 2;
        }
        out += '\n';
    };

    if (options.header) {
        append_line([&](std::size_t i) -> const std::string& { return columns_[i].header; },
                    [](std::size_t) { return Style::plain; });
    }
    for (const auto& row : rows_) {
        append_line([&](std::size_t i) -> const std::string& { return row[i].text; },
                    [&](std::size_t i) { return row[i].style; });
    }
    return out;
}

Json Table::to_json() const {
    Json array = Json::array();
    for (const auto& row : rows_) {
        Json object = Json::object();
        for (std::size_t i = 0; i < columns_.size(); i++) {
            if (!columns_[i].key.empty()) {
                object[columns_[i].key] = row[i].json;
            }
        }
        array.push_back(std::move(object));
    }
    return array;
}

std::string dump(const Json& document, JsonFormat format) {
    const int indent = format == JsonFormat::pretty ? 2 : -1;
    return document.dump(indent, ' ', false, Json::error_handler_t::replace) + "\n";
}

} // namespace rseq
