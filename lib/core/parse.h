// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <charconv>
#include <concepts>
#include <optional>
#include <string_view>
#include <system_error>

namespace rseq {

/// The number that `text` is, whole, in base 10, without sign for unsigned types, blanks or a plus
/// sign; nothing if it is anything else or does not fit.
template <std::integral T>
[[nodiscard]] std::optional<T> parse_number(std::string_view text, int base = 10) {
    T value{};
    const char* end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data(), end, value, base);
    if (text.empty() || error != std::errc{} || stop != end) {
        return std::nullopt;
    }
    return value;
}

/// Takes the text up to the next `separator` from the front of `rest`, and the separator with it.
/// Without a separator it takes everything.
std::string_view take_until(std::string_view& rest, char separator);

/// The value of the first `key: value` line, as /proc/<pid>/status and its like have them, without
/// blanks around it. Nothing if there is no such line, or if it does not end: the rest may be
/// missing.
[[nodiscard]] std::optional<std::string_view> value_of_key(std::string_view text,
                                                           std::string_view key);

/// A path without the mark that the kernel puts behind one that has been removed: that of a program
/// (proc_pid_exe(5)), or of the cgroup of a process that has ended (cgroups(7)).
[[nodiscard]] std::string_view without_removal_mark(std::string_view path);

/// `text` without blanks and tabs at either end.
[[nodiscard]] std::string_view trim(std::string_view text);

} // namespace rseq
