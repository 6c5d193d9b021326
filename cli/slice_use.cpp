// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/slice_use.h"

#include "core/file.h"
#include "core/parse.h"

#include <fcntl.h>

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

Result<std::uint32_t> read_slice_length(const std::string& file) {
    constexpr std::size_t limit = 64;
    return read_file(AT_FDCWD, file.c_str(), limit)
        .and_then([&](std::string text) -> Result<std::uint32_t> {
            while (text.ends_with('\n')) {
                text.pop_back();
            }
            const auto value = parse_number<std::uint32_t>(text);
            return value ? Result<std::uint32_t>(*value)
                         : Result<std::uint32_t>(fail(EPROTO, file + " makes no sense"));
        });
}

} // namespace rseq::cli
