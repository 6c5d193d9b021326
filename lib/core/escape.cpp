// SPDX-License-Identifier: GPL-2.0-or-later
#include "core/escape.h"

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

/// Characters that move the cursor, end a line or turn the direction of the text around.
bool is_dangerous(char32_t c) {
    return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x061c || (c >= 0x200b && c <= 0x200f) ||
           (c >= 0x2028 && c <= 0x202e) || (c >= 0x2060 && c <= 0x206f) || c == 0xfeff ||
           (c >= 0xfff9 && c <= 0xfffb) || (c >= 0xe0000 && c <= 0xe007f);
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

} // namespace

std::string escape_untrusted(std::string_view name) {
    std::string out;
    out.reserve(name.size());
    while (!name.empty()) {
        const Sequence next = first_sequence(name);
        const std::string_view bytes = name.substr(0, next.length == 0 ? 1 : next.length);
        if (next.length == 0 || is_dangerous(next.code_point)) {
            append_hex(out, bytes);
        } else if (next.code_point == U'\\') {
            out += "\\\\";
        } else {
            out += bytes;
        }
        name.remove_prefix(bytes.size());
    }
    return out;
}

} // namespace rseq
