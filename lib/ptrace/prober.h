// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include "core/result.h"
#include "core/types.h"

#include <sys/types.h>

#include <chrono>
#include <vector>

namespace rseq::ptrace {

/// How long a thread may take to stop. A thread that runs or sleeps takes microseconds, more only
/// where processors are scarce; one in an uninterruptible sleep may take for ever.
inline constexpr std::chrono::milliseconds default_limit{500};

/// Asks the kernel what thread `tid` has registered (PTRACE_GET_RSEQ_CONFIGURATION, ptrace(2)). The
/// thread is stopped for some microseconds and let go in every case, even if this process is killed
/// meanwhile: then the kernel lets it go. Job control stops, pending signals and most system calls
/// of the thread survive. Those that signal(7) lists as failing with EINTR after SIGCONT, such as
/// epoll_wait(2), do so now as well.
///
/// All signals of the calling thread wait until its return, so that Ctrl-Z finds nothing stopped.
/// Returns the length alone: ptrace knows no version, and no slice state of a registered thread.
///
/// Fails with ESRCH if there is no such thread or it has ended, EBUSY if it or its process is
/// traced already, EPERM if it may not be traced (another user's, a kernel thread, a thread of this
/// process), ETIMEDOUT if it did not stop in time, ENOTSUP if this kernel cannot tell.
Result<Registration> probe_thread(pid_t tid, std::chrono::milliseconds limit = default_limit);

/// One thread and the answer for it.
struct ProbedThread {
    pid_t tid = 0;
    Result<Registration> registration;
};

/// All threads of process `pid`, in ascending order, one after the other. If any of them is traced
/// already none is touched: EBUSY. ESRCH if there is no such process. A thread that ends meanwhile
/// is left out; any other failure to probe a thread is that thread's answer. Threads that are
/// started meanwhile may be missed.
Result<std::vector<ProbedThread>> probe_process(pid_t pid,
                                                std::chrono::milliseconds limit = default_limit);

} // namespace rseq::ptrace
