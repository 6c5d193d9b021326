// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include "core/result.h"

#include <sys/types.h>

#include <cstdint>
#include <string_view>

namespace rseq::proc {

/// What is needed of /proc/<pid>/stat (proc_pid_stat(5)).
struct Stat {
    std::string_view comm;         ///< (2) untrusted bytes, into the text that was parsed
    bool kernel_thread = false;    ///< (9) PF_KTHREAD
    bool exiting = false;          ///< (9) PF_EXITING: has begun to exit, or is a zombie
    std::uint32_t threads = 0;     ///< (20) live threads; 0 for a process that has ended
    std::uint64_t start_ticks = 0; ///< (22) clock ticks from boot to the start
};

/// Parses the text of a stat file. The name of a process may hold blanks, parentheses and newlines:
/// it ends at the last closing parenthesis. Fails with EPROTO if the text is not of that form or
/// is cut off, as the last number might be then.
Result<Stat> parse_stat(std::string_view text);

} // namespace rseq::proc
