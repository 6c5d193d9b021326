// SPDX-License-Identifier: GPL-2.0-or-later
#include "snapshot/sources.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

namespace rseq::snapshot {

namespace {

bool contains(const std::vector<pid_t>& sorted, pid_t tid) {
    return std::binary_search(sorted.begin(), sorted.end(), tid);
}

void insert(std::vector<pid_t>& sorted, pid_t tid) {
    sorted.insert(std::upper_bound(sorted.begin(), sorted.end(), tid), tid);
}

/// Hands every thread that has not begun to exit to `read(tid, comm)`, which returns false if it is
/// gone by then. Fails if the threads cannot be listed.
template <class Read>
Result<void> for_each_thread(proc::ProcessDir& dir, Read read) {
    // A listing in which a thread ends meanwhile may stop early, and one that started another before
    // it ended was listed without the other: list again until nothing more is found to have ended.
    constexpr int most_listings = 8;
    std::vector<pid_t> done;
    std::vector<pid_t> ended;
    for (int listing = 0; listing < most_listings; listing++) {
        const auto tids = dir.threads();
        if (!tids) {
            return tl::unexpected<Error>(tids.error());
        }
        bool more_ended = false;
        for (const pid_t tid : *tids) {
            if (contains(done, tid)) {
                continue;
            }
            auto identity = dir.thread_identity(tid);
            const bool gone = !identity && is_gone(identity.error());
            if (!gone && !(identity && identity->exiting) &&
                read(tid, identity ? std::move(identity->comm) : std::string())) {
                insert(done, tid);
            } else if (!contains(ended, tid)) {
                insert(ended, tid);
                more_ended = true;
            }
        }
        if (!more_ended) {
            break;
        }
    }
    return {};
}

/// Every thread of the process from its own file.
bool fill_from_threads(const Context& context, Process& process, proc::ProcessDir& dir,
                       Snapshot& snapshot) {
    const auto listed = for_each_thread(dir, [&](pid_t tid, std::string comm) {
        const auto thread = dir.thread_rseq(tid);
        if (!thread) {
            if (is_gone(thread.error())) {
                return false;
            }
            snapshot.unknown_reason = thread.error().message();
        }
        add_thread(context, process, tid, std::move(comm),
                   thread ? std::optional(thread->registration) : std::nullopt);
        return true;
    });
    if (!listed && !is_gone(listed.error())) {
        snapshot.unknown_reason = listed.error().message();
        return fill_unknown(context, process, dir);
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
        const auto listed = for_each_thread(dir, [&](pid_t tid, std::string comm) {
            add_thread(context, process, tid, std::move(comm), std::nullopt);
            return true;
        });
        if (listed || is_gone(listed.error())) {
            return process.threads.total() > 0;
        }
    }
    process.threads.add(Mode::unknown, identity->threads);
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
