// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <fmt/format.h>

#include <string_view>
#include <utility>

/// The daemon's own messages: to the journal where standard error is connected to it, otherwise to
/// standard error. Events of the kernel have entries of their own, see daemon/journal.h.
namespace rseq::daemon::log {

/// syslog(3) priorities; messages beyond the highest one wanted are dropped.
enum class Level : int { error = 3, warning = 4, notice = 5, info = 6, debug = 7 };

void set_max_level(int syslog_priority) noexcept;
[[nodiscard]] int max_level() noexcept;
[[nodiscard]] inline bool enabled(Level level) noexcept {
    return static_cast<int>(level) <= max_level();
}
/// Writes one line, whatever its level. Bytes of others have to be escaped already.
void write(Level level, std::string_view message) noexcept;

template <class... Args>
void message(Level level, fmt::format_string<Args...> format, Args&&... args) {
    if (enabled(level)) {
        write(level, fmt::format(format, std::forward<Args>(args)...));
    }
}

} // namespace rseq::daemon::log
