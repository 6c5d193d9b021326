// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <string>
#include <string_view>

namespace rseq {

/// Makes a name that another process chose (comm, cmdline, path, unit) safe to print on a terminal
/// or in a log line: the result is valid UTF-8 without control characters, line separators,
/// direction overrides or other characters that cannot be seen. Each byte that is not allowed
/// becomes `\xHH`, and a backslash `\\`, so that two different names never give the same text.
[[nodiscard]] std::string escape_untrusted(std::string_view name);

/// The same for a protocol whose strings have to be UTF-8: each byte that is not part of it becomes
/// U+FFFD, and so do a NUL and the code points that are no characters, which D-Bus libraries
/// refuse. Nothing else is changed: the result is not safe to print.
[[nodiscard]] std::string replace_invalid_utf8(std::string_view name);

/// The word as a shell takes it: in quotes, unless it needs none.
[[nodiscard]] std::string shell_word(std::string_view word);

/// The first part of `text` that escape_untrusted() would write as `\xHH`: one character, or one
/// byte that is not UTF-8. Empty if there is none.
[[nodiscard]] std::string_view first_unprintable(std::string_view text);

} // namespace rseq
