// SPDX-License-Identifier: GPL-2.0-or-later
#include "ptrace/prober.h"
#include "snapshot/sources.h"

#include <cerrno>
#include <utility>

namespace rseq::snapshot {

namespace {

/// What the thread registered, with what else the kernel's own file says: ptrace knows the length
/// alone, which a policy may overrule.
std::optional<Registration> answer_of(const Result<Registration>& probed, const Process& process) {
    if (!probed) {
        return std::nullopt;
    }
    Registration registration = *probed;
    if (registration.registered && process.policy && process.policy->mode == PolicyMode::legacy) {
        registration.version = std::uint8_t{1};
    }
    return registration;
}

/// False if the process is gone.
bool fill(const Context& context, Process& process, proc::ProcessDir& dir, Snapshot& snapshot) {
    if (process.kernel_thread) {
        // It has no user space to register.
        add_thread(context, process, process.key.pid, process.comm, Registration{});
        return true;
    }
    const auto threads = ptrace::probe_process(process.key.pid);
    if (!threads) {
        if (threads.error().code == ESRCH) {
            return false;
        }
        snapshot.unknown_reason = threads.error().message();
        return fill_unknown(context, process, dir);
    }
    if (const auto rseq = dir.rseq()) {
        process.policy = rseq->policy;
    }
    for (const auto& [tid, registration] : *threads) {
        // It was probed by its number, which by now may be that of a thread of another process.
        const auto thread = dir.thread_identity(tid);
        if (!thread && is_gone(thread.error())) {
            continue;
        }
        if (registration) {
            process.source = Evidence::ptrace;
        } else {
            snapshot.unknown_reason = registration.error().message();
        }
        add_thread(context, process, tid, thread ? thread->comm : "",
                   answer_of(registration, process));
    }
    return process.threads.total() > 0;
}

} // namespace

Result<Snapshot> from_ptrace(const Context& context) {
    return for_each_process(context,
                            [&](Process& process, proc::ProcessDir& dir, Snapshot& snapshot) {
                                return fill(context, process, dir, snapshot);
                            });
}

} // namespace rseq::snapshot
