// SPDX-License-Identifier: GPL-2.0-or-later
// What is kept of processes and threads, and the counts of it: every change of them goes through
// here.
#include "registry/refusals.h"
#include "registry/registry.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace rseq::registry {

namespace {

constexpr std::size_t most_kept_changes = 256;

std::uint32_t& counter_of(ProcessCounts& counts, Mode mode) {
    switch (mode) {
    case Mode::none:
        return counts.none;
    case Mode::v1:
        return counts.v1;
    case Mode::v2:
        return counts.v2;
    case Mode::mixed:
        return counts.mixed;
    case Mode::unknown:
        break;
    }
    return counts.unknown;
}

} // namespace

Process* Registry::process_at(pid_t pid) {
    const auto at = processes_.find(pid);
    return at == processes_.end() ? nullptr : &at->second;
}

Thread* Registry::thread_at(pid_t tid) {
    const auto at = threads_.find(tid);
    return at == threads_.end() ? nullptr : &at->second;
}

void Registry::start_changes() {
    // Those of a whole scan are many, and rare.
    if (changes_.capacity() > most_kept_changes) {
        changes_ = {};
    }
    changes_.clear();
    gone_.clear();
}

Change& Registry::tell(ChangeKind kind, const Event* event, const Process* process,
                       const Thread* thread) {
    Change& change = changes_.emplace_back();
    change.kind = kind;
    change.event = event;
    change.process = process;
    if (process != nullptr) {
        change.pid = process->pid;
        change.tid = process->pid;
        change.comm = process->comm.view();
    }
    if (thread != nullptr) {
        change.tid = thread->tid;
        change.comm = thread->comm.view();
    }
    return change;
}

void Registry::settle(Process& process, const Event* event) {
    const Mode before = process.counted_mode_;
    const Mode after = process.mode();
    if (!process.counted_) {
        process.counted_ = true;
        process.counted_mode_ = after;
        count(process, 1);
        tell(ChangeKind::appeared, event, &process);
    } else if (before != after) {
        count(process, 0U - 1U);
        process.counted_mode_ = after;
        count(process, 1);
        Change& change = tell(ChangeKind::mode_changed, event, &process);
        change.before = before;
        change.after = after;
    }
}

void Registry::count(const Process& process, std::uint32_t processes) {
    if (process.counted_ && !process.kernel_thread) {
        counter_of(process_counts_, process.counted_mode_) += processes;
    }
}

bool Registry::has_room(std::size_t used) {
    if (used < limits_.threads) {
        return true;
    }
    health_.refused_threads++;
    health_.incomplete = true;
    return false;
}

Process* Registry::add_process(pid_t pid) {
    // There are more processes than threads if some have none that is known.
    if (!has_room(std::max(threads_.size(), processes_.size()))) {
        return nullptr;
    }
    Process& process = processes_[pid];
    process.pid = pid;
    return &process;
}

void Registry::remove_process(Process& process, const Event* event) {
    while (Thread* thread = process.first_thread_) {
        // The counts of the process itself stay as they were: it may still be looked at.
        process.first_thread_ = thread->next_;
        if (!process.kernel_thread) {
            thread_counts_.remove(thread->mode);
        }
        threads_.erase(thread->tid);
    }
    if (process.refusals_ != nullptr) {
        refusal_logs_.erase(process.refusals_->self);
        process.refusals_ = nullptr;
    }
    count(process, 0U - 1U);
    if (process.counted_) {
        Change& change = tell(ChangeKind::gone, event, &process);
        change.before = process.counted_mode_;
    }
    gone_.push_back(processes_.extract(process.pid));
}

Thread* Registry::add_thread(Process& process, pid_t tid, const Event* event) {
    if (Thread* known = thread_at(tid)) {
        if (known->process_ == &process) {
            return known;
        }
        lose_thread(*known, event);
    }
    if (!has_room(threads_.size())) {
        return nullptr;
    }
    Thread& thread = threads_[tid];
    thread.tid = tid;
    thread.process_ = &process;
    thread.next_ = process.first_thread_;
    if (process.first_thread_ != nullptr) {
        process.first_thread_->previous_ = &thread;
    }
    process.first_thread_ = &thread;
    process.threads.add(thread.mode);
    if (!process.kernel_thread) {
        thread_counts_.add(thread.mode);
    }
    return &thread;
}

void Registry::remove_thread(Thread& thread) {
    Process& process = *thread.process_;
    set_registration(thread, Mode::unknown, 0, SliceState::unknown);
    process.threads.remove(Mode::unknown);
    if (!process.kernel_thread) {
        thread_counts_.remove(Mode::unknown);
    }
    (thread.previous_ != nullptr ? thread.previous_->next_ : process.first_thread_) = thread.next_;
    if (thread.next_ != nullptr) {
        thread.next_->previous_ = thread.previous_;
    }
    threads_.erase(thread.tid);
}

void Registry::lose_thread(Thread& thread, const Event* event) {
    Process& process = *thread.process_;
    if (process.first_thread_ == &thread && thread.next_ == nullptr) {
        remove_process(process, event);
    } else {
        remove_thread(thread);
        settle(process, event);
    }
}

void Registry::set_registration(Thread& thread, Mode mode, std::uint32_t length, SliceState slice) {
    Process& process = *thread.process_;
    process.threads.remove(thread.mode);
    process.threads.add(mode);
    if (!process.kernel_thread) {
        thread_counts_.remove(thread.mode);
        thread_counts_.add(mode);
    }
    process.slice_enabled -= thread.slice == SliceState::enabled ? 1U : 0U;
    process.slice_enabled += slice == SliceState::enabled ? 1U : 0U;
    thread.mode = mode;
    thread.length = length;
    thread.slice = slice;
}

void Registry::set_kernel_thread(Process& process, bool kernel_thread) {
    if (process.kernel_thread == kernel_thread) {
        return;
    }
    const auto& [v1, v2, none, unknown] = process.threads;
    const std::uint32_t sign = kernel_thread ? 0U - 1U : 1U;
    count(process, 0U - 1U);
    process.kernel_thread = kernel_thread;
    count(process, 1);
    thread_counts_.add(Mode::v1, sign * v1);
    thread_counts_.add(Mode::v2, sign * v2);
    thread_counts_.add(Mode::none, sign * none);
    thread_counts_.add(Mode::unknown, sign * unknown);
}

void Registry::remember(Process& process, const Refusal& refusal) {
    if (limits_.refusal_logs == 0) {
        return;
    }
    if (process.refusals_ == nullptr) {
        if (refusal_logs_.size() >= limits_.refusal_logs) {
            refusal_logs_.front().process->refusals_ = nullptr;
            refusal_logs_.pop_front();
        }
        process.refusals_ = &refusal_logs_.emplace_back();
        process.refusals_->process = &process;
        process.refusals_->self = std::prev(refusal_logs_.end());
    } else {
        refusal_logs_.splice(refusal_logs_.end(), refusal_logs_, process.refusals_->self);
    }
    RefusalLog& log = *process.refusals_;
    if (log.size == RefusalLog::capacity) {
        std::shift_left(log.refusals.begin(), log.refusals.end(), 1);
        log.size--;
    }
    log.refusals[log.size++] = refusal;
}

std::shared_ptr<const std::string> Registry::program_at(std::string_view path) {
    const auto make = [](std::string_view program) {
        return std::string(program);
    };
    auto program = programs_.at(path.substr(0, longest_path), make);
    note_path(program != nullptr);
    return program;
}

std::shared_ptr<const Cgroup> Registry::cgroup_at(std::string_view path) {
    const auto make = [](std::string_view cgroup) {
        return Cgroup{std::string(cgroup), proc::unit_of_cgroup(cgroup)};
    };
    auto cgroup = cgroups_.at(path.substr(0, longest_path), make);
    note_path(cgroup != nullptr);
    return cgroup;
}

void Registry::note_path(bool had_room) {
    if (!had_room) {
        health_.refused_paths++;
    }
}

} // namespace rseq::registry
