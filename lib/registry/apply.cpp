// SPDX-License-Identifier: GPL-2.0-or-later
// What each event means. The order of events within one system call, and what is inherited, is that
// of kernel/fork.c, fs/exec.c and kernel/exit.c.
#include "registry/registry.h"

#include <linux/sched.h>

#include <string_view>
#include <utility>
#include <variant>

namespace rseq::registry {

Changes Registry::apply(const Event& event) {
    start_changes();
    std::visit([&](const auto& payload) { on(event, payload); }, event.payload);
    return changes_;
}

void Registry::touch(Thread& thread) {
    thread.touched_ = true;
    thread.process_->touched_ = true;
}

bool Registry::is_inexact(const Process& process, const Event& event) {
    return event.time_ns <= process.scan_end_ns_;
}

/// Makes sure that nothing has the number of a thread that starts in `group`, of a process if it is
/// that number itself, or of a group that is not known if it is 0. Returns false if there is
/// nothing to be done, because a scan saw that very thread.
bool Registry::free_number(const Event& event, pid_t tid, pid_t group) {
    Thread* thread = thread_at(tid);
    Process* process = thread != nullptr ? thread->process_ : process_at(tid);
    if (process == nullptr) {
        return true;
    }
    const bool can_be_it = group == 0 ? process->pid != tid : process->pid == group;
    if (can_be_it && is_inexact(*process, event)) {
        // Unless the scan could not tell its mode, ...
        const bool is_known = thread != nullptr && thread->mode != Mode::unknown;
        // ... or events told of an earlier one with this number since.
        const bool is_touched = process->pid == tid ? process->touched_ : thread->touched_;
        if (!is_touched) {
            return !is_known;
        }
    }
    // Its end was lost, or it left the number for that of its group in an execve(2) that was not
    // told yet. The number of a group is free only when all of its threads are gone.
    if (process->pid == tid) {
        remove_process(*process, &event);
    } else {
        lose_thread(*thread, &event);
    }
    return true;
}

/// The group of the thread that the event is of. It may be a leader that a scan left out because it
/// had begun to exit.
Process* Registry::group_of(const Event& event) {
    const Thread* thread = thread_at(event.tid);
    return thread != nullptr ? thread->process_ : process_at(event.tid);
}

void Registry::on(const Event& event, const event::ThreadStarted& started) {
    const bool in_group = (started.clone_flags & CLONE_THREAD) != 0;
    const Process* group = group_of(event);
    const pid_t number = !in_group ? started.tid : (group != nullptr ? group->pid : 0);
    if (!free_number(event, started.tid, number)) {
        return;
    }
    if (!in_group) {
        start_process(event, started);
        return;
    }
    Process* process = group_of(event); // it may have been what had the number
    if (process == nullptr) {
        stray(event);
    } else if (Thread* thread = add_thread(*process, started.tid, &event)) {
        // Threads share the address space, and what does starts unregistered.
        thread->comm = Comm(started.comm);
        set_registration(*thread, Mode::none, 0, SliceState::unavailable);
        touch(*thread);
        process->source = Evidence::trace;
        settle(*process, &event);
    }
}

void Registry::start_process(const Event& event, const event::ThreadStarted& started) {
    const Thread* parent = thread_at(event.tid);
    // It may be there, seen by a scan, but its first thread is not, or in no known mode.
    const bool seen = process_at(started.tid) != nullptr;
    Process* process = seen ? process_at(started.tid) : add_process(started.tid);
    if (process == nullptr) {
        return;
    }
    const Process* from = parent != nullptr ? parent->process_ : nullptr;
    if (!seen) {
        process->known_since_ns = event.time_ns;
        process->comm = Comm(started.comm);
        if (from != nullptr) {
            process->kernel_thread = from->kernel_thread;
            process->exe = from->exe;
            process->executed_ns = from->executed_ns;
            process->moved_since_exec = from->moved_since_exec;
            if ((started.clone_flags & CLONE_INTO_CGROUP) == 0) {
                process->cgroup = from->cgroup;
            } else {
                process->moved_since_exec = true;
            }
        }
    }
    Thread* thread = add_thread(*process, started.tid, &event);
    if (thread == nullptr) {
        remove_process(*process, &event);
        return;
    }
    thread->comm = process->comm;
    process->leader_exit_told_ = false;

    const bool exact = from != nullptr && !is_inexact(*from, event);
    if ((started.clone_flags & CLONE_VM) != 0) {
        set_registration(*thread, Mode::none, 0, SliceState::unavailable);
    } else if (exact) {
        set_registration(*thread, parent->mode, parent->length, parent->slice);
    }
    if (!seen && exact) {
        process->policy = from->policy;
    }
    const bool known = thread->mode != Mode::unknown;
    process->source = known ? Evidence::trace : Evidence::none;
    const bool policy_known = process->policy && !(from != nullptr && from->modes_wanted_);
    want(*process, !known || (has_policies_ && !policy_known));
    settle(*process, &event);
}

void Registry::on(const Event&, const event::Renamed& renamed) {
    const Comm comm(renamed.comm);
    if (Thread* thread = thread_at(renamed.tid)) {
        thread->comm = comm;
        touch(*thread);
    }
    // The name of a process is that of its leader, even of one that has exited; and in an execve(2)
    // the caller is renamed when it has taken the number of the group.
    if (Process* process = process_at(renamed.tid)) {
        process->comm = comm;
        process->touched_ = true;
    }
}

void Registry::on(const Event& event, const event::Executed& executed) {
    Process* process = process_of(event, executed.tgid);
    if (process == nullptr) {
        return;
    }
    for (Thread* thread = process->first_thread_; thread != nullptr;) {
        Thread* next = thread->next_;
        if (thread->tid != executed.tgid) {
            remove_thread(*thread);
        }
        thread = next;
    }
    Thread* caller = add_thread(*process, executed.tgid, &event);
    if (caller == nullptr) {
        remove_process(*process, &event); // nothing that was known of it is so any more
        return;
    }
    if (process->comm == Comm()) {
        // The renaming, just before, could not be told to anybody. It is to this:
        const std::string_view path = executed.filename;
        process->comm = Comm(path.substr(path.rfind('/') + 1));
    }
    caller->comm = process->comm;
    set_registration(*caller, Mode::none, 0, SliceState::unavailable);
    set_kernel_thread(*process, false); // one of the kernel's helpers, until now
    process->leader_exit_told_ = false;
    process->exe = program_at(executed.filename);
    process->source = Evidence::trace;
    process->scan_end_ns_ = 0;
    process->executed_ns = event.time_ns;
    process->moved_since_exec = false;
    process->exec_is_fresh_ = true;
    if (has_policies_) {
        // Latched, and told so before, or else `auto allow`; or told before anybody listened.
        process->policy = process->latched_.value_or(Policy{});
        want(*process, std::exchange(process->latch_may_be_missed_, false));
    } else {
        want(*process, false);
    }
    process->latched_.reset();
    settle(*process, &event);
    tell(ChangeKind::executed, &event, process, caller);
}

void Registry::on(const Event& event, const event::Exited& exited) {
    Thread* thread = thread_at(exited.tid);
    Process* process = thread != nullptr ? thread->process_ : process_at(exited.tid);
    if (process == nullptr) {
        return;
    }
    process->touched_ = true;
    if (thread == nullptr) {
        // A leader that a scan left out, because it had begun to exit. Or one that exits a second
        // time: the caller of an execve(2) that failed after it had taken the number, when no other
        // thread was left.
        if (exited.group_dead.value_or(process->leader_exit_told_)) {
            remove_process(*process, &event);
            return;
        }
        process->leader_exit_told_ = true;
        if (!exited.group_dead) {
            want(*process, true);
        }
        return;
    }
    const bool is_leader = exited.tid == process->pid;
    const bool last = process->first_thread_ == thread && thread->next_ == nullptr;
    const bool dead = exited.group_dead.value_or(last);
    // A scan may have seen a later thread with this number, in another group.
    const bool is_earlier = dead && !last && is_inexact(*process, event);
    if (dead && !is_earlier) {
        remove_process(*process, &event);
        return;
    }
    process->leader_exit_told_ = process->leader_exit_told_ || is_leader;
    remove_thread(*thread);
    // If the kernel does not say what became of the group, a scan may also have seen the caller of
    // an execve(2), which failed now, under either number. And if it says that there are others
    // left than those which are known, nobody told of them.
    if (is_earlier || last || (is_leader && !exited.group_dead)) {
        want(*process, true);
    }
    settle(*process, &event);
}

void Registry::stray(const Event& event) {
    // One from before the scan is of a thread that had exited when the scan began.
    if (event.time_ns >= whole_begin_ns_) {
        health_.strays++;
        stray_seen_ = true;
    }
}

/// The process `tgid`, which is alive by what the event says: made if it is not known, and without
/// threads then. Null without room.
Process* Registry::process_of(const Event& event, pid_t tgid) {
    if (Process* process = process_at(tgid)) {
        return process;
    }
    if (Thread* other = thread_at(tgid)) {
        lose_thread(*other, &event); // of before, and its end was lost
    }
    Process* process = add_process(tgid);
    if (process != nullptr) {
        process->known_since_ns = event.time_ns;
        process->latch_may_be_missed_ = true;
    }
    return process;
}

/// The thread that the event is of, which is alive by that: made if it is not known, its mode
/// unknown. Null if its group is not known, or without room.
Thread* Registry::thread_of(const Event& event, pid_t tgid) {
    Thread* thread = thread_at(event.tid);
    if (thread != nullptr && (tgid == 0 || thread->process_->pid == tgid)) {
        touch(*thread);
        return thread;
    }
    if (tgid == 0) {
        stray(event);
        return nullptr;
    }
    Process* process = process_of(event, tgid);
    if (process == nullptr) {
        return nullptr;
    }
    thread = add_thread(*process, event.tid, &event);
    if (thread == nullptr) {
        if (!process->counted_) {
            remove_process(*process, &event);
        }
        return nullptr;
    }
    touch(*thread);
    want(*process, true);
    settle(*process, &event);
    return thread;
}

void Registry::on(const Event&, const event::CgroupMade&) {
    // Nobody is in it yet.
}

void Registry::on(const Event&, const event::CgroupEntered& entered) {
    // Of a whole process the leader is told. A thread alone can only move within a threaded
    // subtree, and the cgroup of a process is that of its leader.
    if (Process* process = process_at(entered.tid)) {
        process->cgroup = cgroup_at(entered.path);
        process->moved_since_exec = true;
        process->touched_ = true;
    }
}

} // namespace rseq::registry
