// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include "core/result.h"

#include <sys/types.h>

#include <string_view>

namespace rseq::ptrace {

/// What has to be known of a thread before it may be touched: proc_pid_status(5).
struct ThreadStatus {
    pid_t tgid = 0;
    /// The process that traces this thread; 0 if none does.
    pid_t tracer = 0;
    /// R, S, D, T, t, I, Z or X.
    char state = '?';

    /// It has ended and only waits to be collected.
    [[nodiscard]] bool has_ended() const { return state == 'Z' || state == 'X'; }
};

/// The text of /proc/<tid>/status. Lines that are not needed are ignored. EPROTO if a needed one is
/// missing or is not what it should be.
Result<ThreadStatus> parse_thread_status(std::string_view text);

/// The same for a running thread. ESRCH if it is gone.
Result<ThreadStatus> read_thread_status(pid_t tid);

} // namespace rseq::ptrace
