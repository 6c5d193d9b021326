// SPDX-License-Identifier: GPL-2.0-or-later
#include "bpf/snapshot.h"
#include "snapshot/sources.h"

#include <algorithm>
#include <unordered_map>
#include <utility>

namespace rseq::snapshot {

namespace {

/// Path of each cgroup, read from the first process that is in it, and kept as long as there is
/// room for it.
class CgroupNames {
public:
    CgroupNames(const proc::ProcReader& reader, std::size_t most_bytes)
        : reader_(reader), bytes_left_(most_bytes) {}

    std::string path(std::uint64_t id, pid_t pid) {
        if (const auto known = paths_.find(id); known != paths_.end()) {
            return known->second;
        }
        auto dir = reader_.open(pid);
        auto path = dir ? dir->cgroup() : fail(dir.error().code, dir.error().context);
        if (!path) {
            return {}; // gone; the next process of this cgroup may still be there
        }
        // On hybrid machines processes of different units share the root of the unified hierarchy.
        const bool shared = proc::unit_of_cgroup(*path).manager == proc::Manager::none;
        if (id != 0 && !shared && path->size() <= bytes_left_) {
            bytes_left_ -= path->size();
            paths_.emplace(id, *path);
        }
        return *path;
    }

private:
    const proc::ProcReader& reader_;
    std::size_t bytes_left_;
    std::unordered_map<std::uint64_t, std::string> paths_;
};

/// Path of the program; empty if the number is not that process's any more.
std::string program_of(const proc::ProcReader& reader, const ProcessKey& key) {
    auto dir = reader.open(key.pid);
    const auto identity = dir ? dir->identity() : fail(dir.error().code, dir.error().context);
    const bool is_same = identity && identity->start_ticks == key.start_ticks;
    return is_same ? dir->exe().value_or("") : "";
}

/// Some kernels keep a process out of the iterator that /proc shows. It is unknown, not absent.
void add_hidden(const Context& context, const std::vector<pid_t>& listed,
                const std::vector<ThreadObservation>& observed, Snapshot& snapshot) {
    const auto is_before = [](const ThreadObservation& thread, pid_t pid) {
        return thread.tgid < pid;
    };
    bool added = false;
    for (const pid_t pid : listed) {
        const auto at = std::lower_bound(observed.begin(), observed.end(), pid, is_before);
        if (at != observed.end() && at->tgid == pid) {
            continue;
        }
        auto dir = context.reader.open(pid);
        if (!dir) {
            continue;
        }
        auto process = describe(context, *dir, pid);
        if (process && *process && fill_unknown(context, **process, *dir)) {
            snapshot.unknown_reason = "the kernel does not show them to a BPF task iterator";
            add_process(context, snapshot, std::move(**process));
            added = true;
        }
    }
    if (added) {
        std::sort(snapshot.processes.begin(), snapshot.processes.end(),
                  [](const Process& a, const Process& b) { return a.key < b.key; });
    }
}

} // namespace

Result<Snapshot> from_bpf(const Context& context) {
    // Listed first: what is here now and not among the threads afterwards is not just new.
    const auto listed = wanted_processes(context);
    if (!listed) {
        return tl::unexpected<Error>(listed.error());
    }
    auto observed = bpf::snapshot();
    if (!observed) {
        return tl::unexpected<Error>(observed.error());
    }
    std::stable_sort(observed->begin(), observed->end(),
                     [](const ThreadObservation& a, const ThreadObservation& b) {
                         return std::pair(a.tgid, a.tid) < std::pair(b.tgid, b.tid);
                     });

    Snapshot snapshot;
    CgroupNames names(context.reader, context.options.path_bytes);
    for (auto first = observed->begin(); first != observed->end();) {
        const auto last =
            std::find_if(first, observed->end(), [&](const ThreadObservation& thread) {
                return thread.tgid != first->tgid;
            });
        if (context.wants(first->tgid, first->kernel_thread)) {
            Process process;
            process.key = {first->tgid, first->leader_start_ticks};
            process.kernel_thread = first->kernel_thread;
            process.comm = first->comm; // the leader has the lowest number only by habit
            process.source = Evidence::bpf;
            process.cgroup = names.path(first->cgroup_id, first->tgid);
            process.unit = proc::unit_of_cgroup(process.cgroup);
            if (context.options.exe && !process.kernel_thread) {
                process.exe = program_of(context.reader, process.key);
            }
            for (auto thread = first; thread != last; ++thread) {
                if (thread->tid == thread->tgid) {
                    process.comm = thread->comm;
                }
                add_thread(context, process, thread->tid, std::move(thread->comm),
                           thread->registration);
            }
            judge_slices(context, process);
            add_process(context, snapshot, std::move(process));
        }
        first = last;
    }
    add_hidden(context, *listed, *observed, snapshot);
    return snapshot;
}

} // namespace rseq::snapshot
