// SPDX-License-Identifier: GPL-2.0-or-later
#include "core/escape.h"
#include "fuzz.h"

#include <clocale>
#include <cwchar>
#include <cwctype>
#include <string>

namespace {

/// The name that was escaped. Anything but `\\` and `\xHH` behind a backslash breaks a rule.
std::string unescape(std::string_view text) {
    const auto digit = [](char c) {
        require((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'), "escapes have two hex digits");
        return static_cast<unsigned>(c <= '9' ? c - '0' : c - 'a' + 10);
    };
    std::string name;
    while (!text.empty()) {
        std::size_t used = 1;
        if (text[0] != '\\') {
            name += text[0];
        } else if (text.size() >= 2 && text[1] == '\\') {
            name += '\\';
            used = 2;
        } else {
            require(text.size() >= 4 && text[1] == 'x', "a backslash starts an escape");
            name += static_cast<char>(digit(text[2]) * 16 + digit(text[3]));
            used = 4;
        }
        text.remove_prefix(used);
    }
    return name;
}

/// Bidi_Control of Unicode's PropList.txt.
bool turns_direction(wchar_t c) {
    return c == 0x061c || c == 0x200e || c == 0x200f || (c >= 0x202a && c <= 0x202e) ||
           (c >= 0x2066 && c <= 0x2069);
}

/// Reads the text with the C library's decoder, which shares nothing with ours.
void require_safe(std::string_view text) {
    std::mbstate_t state{};
    while (!text.empty()) {
        wchar_t c = 0;
        const std::size_t used = std::mbrtowc(&c, text.data(), text.size(), &state);
        require(used >= 1 && used <= text.size(), "the result is valid UTF-8");
        require(std::iswcntrl(static_cast<std::wint_t>(c)) == 0, "no control characters");
        require(!turns_direction(c), "nothing turns the direction");
        text.remove_prefix(used);
    }
}

/// The same, and without a NUL.
void require_utf8(std::string_view text) {
    std::mbstate_t state{};
    while (!text.empty()) {
        const std::size_t used = std::mbrtowc(nullptr, text.data(), text.size(), &state);
        require(used >= 1 && used <= text.size(), "the result is valid UTF-8 without a NUL");
        text.remove_prefix(used);
    }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static const char* const locale = std::setlocale(LC_CTYPE, "C.UTF-8");
    require(locale != nullptr, "the locale C.UTF-8 exists");
    const std::string_view name = text_of(data, size);
    const std::string text = rseq::escape_untrusted(name);
    require_safe(text);
    require(unescape(text) == name, "the name can be had back, so no two look the same");
    const std::string replaced = rseq::replace_invalid_utf8(name);
    require_utf8(replaced);
    require(rseq::replace_invalid_utf8(replaced) == replaced, "what is UTF-8 stays as it is");
    return 0;
}
