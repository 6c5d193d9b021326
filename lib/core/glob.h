// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace rseq {

/// A glob(7) that is looked at once and matched often. `*` and `?` match a slash and a leading dot
/// too, and a backslash is a character like any other, because names of units contain backslashes;
/// `[*]` is an asterisk. systemctl reads its patterns the same way.
class Glob {
public:
    /// Any text is a glob. One with a NUL byte matches nothing.
    explicit Glob(std::string pattern);

    [[nodiscard]] bool matches(const std::string& text) const;
    /// True if the pattern is a name: it has no wildcard and matches itself alone.
    [[nodiscard]] bool is_literal() const { return kind_ == Kind::literal; }
    [[nodiscard]] const std::string& pattern() const { return pattern_; }
    friend bool operator==(const Glob& a, const Glob& b) { return a.pattern_ == b.pattern_; }

private:
    enum class Kind : std::uint8_t { literal, head_and_tail, general, nothing };

    std::string pattern_;
    Kind kind_;
    /// How many characters there are before the first wildcard and after the last.
    std::size_t head_ = 0;
    std::size_t tail_ = 0;
};

} // namespace rseq
