// SPDX-License-Identifier: GPL-2.0-or-later
#include "snapshot/sources.h"

#include <cerrno>
#include <utility>

namespace rseq::snapshot {

namespace {

bool is_gone(const Error& error) {
    return error.code == ENOENT || error.code == ESRCH;
}

/// Every thread of the process from its own file.
bool fill_from_threads(const Context& context, Process& process, proc::ProcessDir& dir) {
    const auto tids = dir.threads();
    if (!tids) {
        return false;
    }
    for (const pid_t tid : *tids) {
        auto thread = dir.thread_rseq(tid);
        if (!thread && is_gone(thread.error())) {
            continue;
        }
        add_thread(context, process, tid, dir.thread_comm(tid).value_or(""),
                   thread ? std::optional(thread->registration) : std::nullopt);
    }
    return process.threads.total() > 0;
}

} // namespace

bool fill_unknown(const Context& context, Process& process, proc::ProcessDir& dir) {
    if (context.options.threads) {
        const auto tids = dir.threads();
        for (const pid_t tid : tids.value_or(std::vector<pid_t>())) {
            add_thread(context, process, tid, dir.thread_comm(tid).value_or(""), std::nullopt);
        }
        return process.threads.total() > 0;
    }
    const auto identity = dir.identity();
    if (!identity || identity->threads == 0) {
        return false;
    }
    process.threads.add(Mode::unknown, identity->threads);
    return true;
}

Result<Snapshot> from_procfs(const Context& context) {
    return for_each_process(
        context, [&](Process& process, proc::ProcessDir& dir, Snapshot& snapshot) {
            auto rseq = dir.rseq();
            if (!rseq) {
                if (is_gone(rseq.error())) {
                    return false;
                }
                snapshot.unknown_reason = rseq.error().message();
                return fill_unknown(context, process, dir);
            }
            process.source = Evidence::procfs;
            process.policy = rseq->policy;
            if (context.options.threads) {
                return fill_from_threads(context, process, dir);
            }
            process.threads = rseq->threads;
            process.slice_enabled = rseq->slice_enabled;
            return process.threads.total() > 0; // none: it has ended and waits for its parent
        });
}

Result<Snapshot> from_nothing(const Context& context, const std::string& reason) {
    auto snapshot =
        for_each_process(context, [&](Process& process, proc::ProcessDir& dir, Snapshot&) {
            return fill_unknown(context, process, dir);
        });
    if (snapshot) {
        snapshot->unknown_reason = reason;
    }
    return snapshot;
}

} // namespace rseq::snapshot
