// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/slice_use.h"

#include <cerrno>
#include <utility>

namespace rseq::cli {

namespace {

void add(SliceUse& total, const SliceUse& one) {
    total.enabled_threads += one.enabled_threads;
    total.counts.granted += one.counts.granted;
    total.counts.yielded += one.counts.yielded;
    total.counts.syscall += one.counts.syscall;
    total.counts.expired += one.counts.expired;
    total.counts.revoked += one.counts.revoked;
}

bool is_gone(const Error& error) {
    return error.code == ENOENT || error.code == ESRCH;
}

Result<SliceUse> read_use(const proc::ProcReader& reader, pid_t pid) {
    auto dir = reader.open(pid);
    auto rseq = dir ? dir->rseq() : tl::unexpected<Error>(dir.error());
    if (!rseq) {
        return tl::unexpected<Error>(std::move(rseq.error()));
    }
    SliceUse use;
    use.pid = pid;
    use.enabled_threads = rseq->slice_enabled;
    use.counts = rseq->slices;
    if (use.enabled_threads > 0 || use.counts.granted > 0) {
        if (auto identity = dir->identity()) {
            use.comm = std::move(identity->comm);
        }
        if (auto cgroup = dir->cgroup()) {
            use.unit = proc::unit_of_cgroup(*cgroup);
        }
    }
    return use;
}

} // namespace

Result<SliceUses> read_slice_uses(const proc::ProcReader& reader) {
    if (!reader.has_rseq_files()) {
        return fail(ENOENT, "this kernel does not count slices (/proc/PID/rseq)");
    }
    auto pids = reader.processes();
    if (!pids) {
        return tl::unexpected<Error>(std::move(pids.error()));
    }
    SliceUses uses;
    for (const pid_t pid : *pids) {
        auto use = read_use(reader, pid);
        if (!use) {
            uses.unread += is_gone(use.error()) ? 0U : 1U;
            continue;
        }
        add(uses.total, *use);
        if (use->enabled_threads > 0 || use->counts.granted > 0) {
            uses.processes.push_back(std::move(*use));
        }
    }
    return uses;
}

} // namespace rseq::cli
