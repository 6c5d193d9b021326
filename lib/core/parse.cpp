// SPDX-License-Identifier: GPL-2.0-or-later
#include "core/parse.h"

namespace rseq {

std::string_view take_until(std::string_view& rest, char separator) {
    const std::size_t at = rest.find(separator);
    const std::string_view taken = rest.substr(0, at);
    rest.remove_prefix(at == std::string_view::npos ? rest.size() : at + 1);
    return taken;
}

std::optional<std::string_view> value_of_key(std::string_view text, std::string_view key) {
    while (!text.empty()) {
        const bool whole = text.find('\n') != std::string_view::npos;
        std::string_view line = take_until(text, '\n');
        if (take_until(line, ':') == key) {
            return whole ? std::optional(trim(line)) : std::nullopt;
        }
    }
    return std::nullopt;
}

std::string_view without_removal_mark(std::string_view path) {
    constexpr std::string_view mark = " (deleted)";
    path.remove_suffix(path.ends_with(mark) ? mark.size() : 0);
    return path;
}

std::string_view trim(std::string_view text) {
    constexpr std::string_view blanks = " \t";
    const std::size_t first = text.find_first_not_of(blanks);
    if (first == std::string_view::npos) {
        return {};
    }
    return text.substr(first, text.find_last_not_of(blanks) - first + 1);
}

} // namespace rseq
