// SPDX-License-Identifier: GPL-2.0-or-later
#include "core/escape.h"

#include <algorithm>
#include <array>
#include <cstdint>

namespace rseq {

namespace {

constexpr bool is_continuation(unsigned char byte) {
    return (byte & 0xc0U) == 0x80U;
}

struct Sequence {
    std::size_t length = 0; ///< 0 if the text does not start with a valid sequence
    char32_t code_point = 0;
};

/// The UTF-8 sequence (RFC 3629) at the start of `text`. Overlong forms, surrogates and values past
/// U+10FFFF are not valid.
Sequence first_sequence(std::string_view text) {
    const auto byte = [&](std::size_t i) {
        return static_cast<unsigned char>(text[i]);
    };
    const unsigned char lead = byte(0);
    std::size_t length = 0;
    char32_t value = 0;
    char32_t least = 0;

    if (lead < 0x80) {
        return {1, lead};
    }
    if (lead >= 0xc2 && lead <= 0xdf) {
        length = 2, value = lead & 0x1fU, least = 0x80;
    } else if (lead >= 0xe0 && lead <= 0xef) {
        length = 3, value = lead & 0x0fU, least = 0x800;
    } else if (lead >= 0xf0 && lead <= 0xf4) {
        length = 4, value = lead & 0x07U, least = 0x10000;
    }
    if (length == 0 || text.size() < length) {
        return {};
    }
    for (std::size_t i = 1; i < length; i++) {
        if (!is_continuation(byte(i))) {
            return {};
        }
        value = (value << 6U) | (byte(i) & 0x3fU);
    }
    const bool surrogate = value >= 0xd800 && value <= 0xdfff;
    if (value < least || value > 0x10ffff || surrogate) {
        return {};
    }
    return {length, value};
}

struct Range {
    char32_t first;
    char32_t last;
};

/// Characters that move the cursor, end a line, turn the direction of the text around or cannot be
/// seen: the controls, the line and paragraph separators, the interlinear annotations, and all of
/// Default_Ignorable_Code_Point in Unicode's DerivedCoreProperties.txt, which holds the direction
/// marks and overrides. In ascending order.
constexpr std::array<Range, 19> dangerous{{{0x0000, 0x001f},
                                           {0x007f, 0x009f},
                                           {0x00ad, 0x00ad},
                                           {0x034f, 0x034f},
                                           {0x061c, 0x061c},
                                           {0x115f, 0x1160},
                                           {0x17b4, 0x17b5},
                                           {0x180b, 0x180f},
                                           {0x200b, 0x200f},
                                           {0x2028, 0x202e},
                                           {0x2060, 0x206f},
                                           {0x3164, 0x3164},
                                           {0xfe00, 0xfe0f},
                                           {0xfeff, 0xfeff},
                                           {0xffa0, 0xffa0},
                                           {0xfff0, 0xfffb},
                                           {0x1bca0, 0x1bca3},
                                           {0x1d173, 0x1d17a},
                                           {0xe0000, 0xe0fff}}};

bool is_dangerous(char32_t c) {
    const auto* const range = std::find_if(dangerous.begin(), dangerous.end(),
                                           [&](const Range& r) { return c <= r.last; });
    return range != dangerous.end() && c >= range->first;
}

void append_hex(std::string& out, std::string_view bytes) {
    constexpr std::string_view digits = "0123456789abcdef";
    for (const char c : bytes) {
        const auto byte = static_cast<unsigned char>(c);
        out += "\\x";
        out += digits[byte >> 4U];
        out += digits[byte & 0xfU];
    }
}

/// The character or the bad byte at the start of `text`, and whether it can be printed as it is.
struct Piece {
    std::string_view bytes;
    bool printable = false;
};

Piece first_piece(std::string_view text) {
    const Sequence next = first_sequence(text);
    return {text.substr(0, next.length == 0 ? 1 : next.length),
            next.length != 0 && !is_dangerous(next.code_point)};
}

} // namespace

std::string_view first_unprintable(std::string_view text) {
    while (!text.empty()) {
        const Piece next = first_piece(text);
        if (!next.printable) {
            return next.bytes;
        }
        text.remove_prefix(next.bytes.size());
    }
    return {};
}

std::string escape_untrusted(std::string_view name) {
    std::string out;
    out.reserve(name.size());
    while (!name.empty()) {
        const Piece next = first_piece(name);
        if (!next.printable) {
            append_hex(out, next.bytes);
        } else if (next.bytes == "\\") {
            out += "\\\\";
        } else {
            out += next.bytes;
        }
        name.remove_prefix(next.bytes.size());
    }
    return out;
}

std::string replace_invalid_utf8(std::string_view name) {
    constexpr std::string_view replacement = "\xef\xbf\xbd";
    std::string out;
    out.reserve(name.size());
    while (!name.empty()) {
        const Sequence next = first_sequence(name);
        const std::string_view bytes = name.substr(0, next.length == 0 ? 1 : next.length);
        const char32_t c = next.code_point;
        const bool no_character = (c & 0xfffeU) == 0xfffeU || (c >= 0xfdd0 && c <= 0xfdef);
        out += next.length == 0 || c == 0 || no_character ? replacement : bytes;
        name.remove_prefix(bytes.size());
    }
    return out;
}

std::string shell_word(std::string_view word) {
    constexpr std::string_view plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                       "0123456789_.:@-";
    if (!word.empty() && word.find_first_not_of(plain) == std::string_view::npos) {
        return std::string(word);
    }
    std::string quoted = "'";
    for (const char c : word) {
        quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
    }
    return quoted + "'";
}

} // namespace rseq
