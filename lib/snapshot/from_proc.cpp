// SPDX-License-Identifier: GPL-2.0-or-later
#include "snapshot/sources.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace rseq::snapshot {

namespace {

/// What could be read of a thread.
struct Seen {
    std::string comm;
    std::optional<Registration> registration;
};

/// Nothing if the thread has ended or begun to. A registration that cannot be read is unknown.
std::optional<Seen> read_thread(proc::ProcessDir& dir, pid_t tid, bool with_registration,
                                std::string& unknown_reason) {
    Seen seen;
    auto identity = dir.thread_identity(tid);
    if (identity ? identity->exiting : is_gone(identity.error())) {
        return std::nullopt;
    }
    if (identity) {
        seen.comm = std::move(identity->comm);
    }
    if (with_registration) {
        const auto thread = dir.thread_rseq(tid);
        if (thread) {
            seen.registration = thread->registration;
        } else if (is_gone(thread.error())) {
            return std::nullopt;
        } else {
            unknown_reason = thread.error().message();
        }
    }
    return seen;
}

/// The threads that have not begun to exit. Fails if they cannot be listed.
Result<std::map<pid_t, Seen>> read_threads(proc::ProcessDir& dir, bool with_registration,
                                           std::string& unknown_reason) {
    // A listing in which a thread ends meanwhile may stop early, and one that started another
    // before it ended was listed without the other: list again until nothing more is found to have
    // ended. One that is not listed any more has ended too, or has taken the number of its group.
    constexpr int most_listings = 8;
    std::map<pid_t, Seen> threads;
    std::set<pid_t> ended;
    for (int listing = 0; listing < most_listings; listing++) {
        const auto tids = dir.threads();
        if (!tids) {
            return tl::unexpected<Error>(tids.error());
        }
        std::erase_if(threads, [&](const auto& thread) {
            return !std::binary_search(tids->begin(), tids->end(), thread.first);
        });
        bool more_ended = false;
        for (const pid_t tid : *tids) {
            if (threads.contains(tid)) {
                continue;
            }
            if (auto seen = read_thread(dir, tid, with_registration, unknown_reason)) {
                threads.emplace(tid, std::move(*seen));
            } else {
                more_ended = ended.insert(tid).second || more_ended;
            }
        }
        if (!more_ended) {
            break;
        }
    }
    return threads;
}

/// Fills in each thread of the process. False if there are none. Fails if they cannot be listed.
Result<bool> fill_threads(const Context& context, Process& process, proc::ProcessDir& dir,
                          bool with_registration, std::string& unknown_reason) {
    auto threads = read_threads(dir, with_registration, unknown_reason);
    if (!threads && !is_gone(threads.error())) {
        return tl::unexpected<Error>(std::move(threads.error()));
    }
    if (threads) {
        for (auto& [tid, seen] : *threads) {
            add_thread(context, process, tid, std::move(seen.comm), seen.registration);
        }
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
        std::string no_reason;
        if (const auto filled = fill_threads(context, process, dir, false, no_reason)) {
            return *filled;
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
    return for_each_process(context, [&](Process& process, proc::ProcessDir& dir,
                                         Snapshot& snapshot) {
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
            const auto filled = fill_threads(context, process, dir, true, snapshot.unknown_reason);
            if (!filled) {
                snapshot.unknown_reason = filled.error().message();
            }
            return filled ? *filled : fill_unknown(context, process, dir);
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
