// SPDX-License-Identifier: GPL-2.0-or-later
#include "snapshot/sources.h"

#include <utility>

namespace rseq::snapshot {

namespace {

/// Every thread of the process from its own file.
bool fill_from_threads(const Context& context, Process& process, proc::ProcessDir& dir,
                       Snapshot& snapshot) {
    const auto tids = dir.threads();
    if (!tids) {
        if (is_gone(tids.error())) {
            return false;
        }
        snapshot.unknown_reason = tids.error().message();
        return fill_unknown(context, process, dir);
    }
    for (const pid_t tid : *tids) {
        auto thread = dir.thread_rseq(tid);
        if (!thread) {
            if (is_gone(thread.error())) {
                continue;
            }
            snapshot.unknown_reason = thread.error().message();
        }
        add_thread(context, process, tid, dir.thread_comm(tid).value_or(""),
                   thread ? std::optional(thread->registration) : std::nullopt);
    }
    return process.threads.total() > 0;
}

} // namespace

bool fill_unknown(const Context& context, Process& process, proc::ProcessDir& dir) {
    const auto identity = dir.identity();
    if (!identity || identity->threads == 0) {
        return false;
    }
    if (context.options.threads) {
        const auto tids = dir.threads();
        if (!tids && is_gone(tids.error())) {
            return false;
        }
        for (const pid_t tid : tids.value_or(std::vector<pid_t>())) {
            add_thread(context, process, tid, dir.thread_comm(tid).value_or(""), std::nullopt);
        }
    }
    if (process.threads.total() == 0) {
        process.threads.add(Mode::unknown, identity->threads);
    }
    return true;
}

Result<Snapshot> from_procfs(const Context& caller) {
    // Only kernels with two modes have these files, and their word needs no other judgement.
    KernelFacts facts = caller.facts;
    facts.kernel_class = KernelClass::dual;
    const Context context{caller.reader, facts, caller.options};
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
                return fill_from_threads(context, process, dir, snapshot);
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
