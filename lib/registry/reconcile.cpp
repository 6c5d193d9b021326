// SPDX-License-Identifier: GPL-2.0-or-later
// What scans and descriptions mean.
#include "registry/registry.h"

#include <algorithm>
#include <utility>

namespace rseq::registry {

namespace {

bool is_in(std::span<const snapshot::Process> seen, pid_t pid) {
    const auto at = std::lower_bound(
        seen.begin(), seen.end(), pid,
        [](const snapshot::Process& process, pid_t number) { return process.key.pid < number; });
    return at != seen.end() && at->key.pid == pid;
}

/// Listed, and nothing of it could be read, not even when it started.
bool is_blank(const snapshot::Process& seen) {
    return seen.key.start_ticks == 0 && seen.comm.empty();
}

} // namespace

Changes Registry::reconcile(const Scan& scan) {
    start_changes();
    if (!scan.only) {
        health_.incomplete = false;
        programs_.start_over();
        cgroups_.start_over();
        stray_seen_ = false;
        whole_begin_ns_ = scan.begin_ns;
    }
    remove_absent(scan);
    for (const snapshot::Process& seen : scan.processes) {
        merge(scan, seen);
    }
    return changes_;
}

void Registry::remove_absent(const Scan& scan) {
    std::vector<pid_t> absent;
    const auto look_at = [&](const Process& process) {
        // A later one cannot have been seen. By the rules none was applied yet.
        if (process.known_since_ns < scan.begin_ns && !is_in(scan.processes, process.pid)) {
            absent.push_back(process.pid);
        }
    };
    if (!scan.only) {
        for (const auto& [pid, process] : processes_) {
            look_at(process);
        }
    } else {
        for (const pid_t pid : *scan.only) {
            if (const Process* process = find(pid)) {
                look_at(*process);
            }
        }
    }
    for (const pid_t pid : absent) {
        if (Process* process = process_at(pid)) {
            remove_process(*process, nullptr);
        }
    }
}

bool Registry::is_same(const Process& process, const snapshot::Process& seen) const {
    return is_blank(seen) || is_it(process, seen.key.start_ticks);
}

bool Registry::is_it(const Process& process, std::uint64_t start_ticks) const {
    if (process.start_ticks) {
        return *process.start_ticks == start_ticks;
    }
    // Its start was before the first event of it.
    return has_started(start_ticks, process.known_since_ns);
}

bool Registry::has_started(std::uint64_t start_ticks, std::uint64_t time_ns) const {
    // The kernel rounds down; one more tick is for the clock of the events.
    return start_ticks <= time_ns / tick_ns_ + 1;
}

void Registry::take_names(Process& process, const snapshot::Process& seen) {
    if (is_blank(seen)) {
        return;
    }
    set_kernel_thread(process, seen.kernel_thread);
    process.comm = Comm(seen.comm);
    process.start_ticks = seen.key.start_ticks;
    if (!seen.exe.empty() && seen.exe != process.exe_path()) {
        process.exe = program_at(seen.exe);
    }
    if (!seen.cgroup.empty() && seen.cgroup != process.cgroup_path()) {
        process.cgroup = cgroup_at(seen.cgroup);
    }
}

void Registry::merge(const Scan& scan, const snapshot::Process& seen) {
    Process* process = process_at(seen.key.pid);
    if (process != nullptr && !is_same(*process, seen)) {
        remove_process(*process, nullptr);
        process = nullptr;
    }
    if (process == nullptr) {
        if (Thread* other = thread_at(seen.key.pid)) {
            lose_thread(*other, nullptr);
        }
        process = add_process(seen.key.pid);
        if (process == nullptr) {
            return;
        }
        process->latch_may_be_missed_ = true;
    }
    take_names(*process, seen);
    if (seen.policy) {
        process->policy = seen.policy;
    }
    if (scan.events_lost) {
        process->latch_may_be_missed_ = true;
        process->latched_.reset(); // the exec that it was told for may be among the lost
    }
    process->scan_end_ns_ = scan.end_ns;
    process->touched_ = false;
    process->modes_wanted_ = false;
    process->queued_ = false;
    merge_threads(scan, seen, *process);
    if (process->first_thread_ == nullptr) {
        remove_process(*process, nullptr); // no room
        return;
    }
    settle(*process, nullptr);
    if (seen.paths_left_out) {
        want(*process, false);
    }
}

/// Removes the threads that a scan did not see.
void Registry::remove_absent_threads(const snapshot::Process& seen, Process& process) {
    scratch_.clear();
    for (const snapshot::Thread& thread : seen.thread_list) {
        scratch_.push_back(thread.tid);
    }
    std::sort(scratch_.begin(), scratch_.end());
    const auto was_seen = [&](pid_t tid) {
        return std::binary_search(scratch_.begin(), scratch_.end(), tid);
    };
    for (Thread* thread = process.first_thread_; thread != nullptr;) {
        Thread* next = thread->next_;
        if (!was_seen(thread->tid)) {
            remove_thread(*thread);
        }
        thread = next;
    }
    process.leader_exit_told_ = process.leader_exit_told_ && !was_seen(process.pid);
}

void Registry::merge_threads(const Scan& scan, const snapshot::Process& seen, Process& process) {
    if (!seen.thread_list.empty()) {
        remove_absent_threads(seen, process);
    } else if (process.first_thread_ == nullptr) {
        add_thread(process, process.pid, nullptr); // there is at least one
    }
    // The kernel forgets the old registration some time after it has told of the exec, and then it
    // tells of the next one.
    const bool exec_decides = process.exec_is_fresh_ && !scan.events_lost;
    const bool exec_in_doubt = process.exec_is_fresh_ && scan.events_lost;
    if (scan.events_lost) {
        for (Thread* thread = process.first_thread_; thread != nullptr; thread = thread->next_) {
            set_registration(*thread, Mode::unknown, 0, SliceState::unknown);
        }
        process.exec_is_fresh_ = false;
        process.source = Evidence::none;
    }

    bool events_know = false;
    for (const snapshot::Thread& listed : seen.thread_list) {
        Thread* thread = add_thread(process, listed.tid, nullptr);
        if (thread == nullptr) {
            continue; // no room
        }
        thread->comm = Comm(listed.comm);
        thread->touched_ = false;
        if (listed.mode == Mode::unknown || (exec_decides && listed.tid == process.pid)) {
            events_know = events_know || thread->mode != Mode::unknown;
        } else {
            set_registration(*thread, listed.mode, listed.length, listed.slice);
        }
    }
    if (!seen.thread_list.empty()) {
        process.source = events_know ? Evidence::trace : seen.source;
    }
    if (exec_in_doubt && process.threads.v1 + process.threads.v2 > 0) {
        want(process, true);
    }
}

bool Registry::describe(const snapshot::Process& seen) {
    Process* process = process_at(seen.key.pid);
    if (process == nullptr || is_blank(seen) || !is_same(*process, seen)) {
        return false;
    }
    take_names(*process, seen);
    if (Thread* leader = thread_at(process->pid)) {
        leader->comm = process->comm;
    }
    process->queued_ = process->queued_ && process->modes_wanted_;
    return true;
}

} // namespace rseq::registry
