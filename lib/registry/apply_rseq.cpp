// SPDX-License-Identifier: GPL-2.0-or-later
// What the events about rseq itself mean.
#include "core/slices.h"
#include "registry/registry.h"

namespace rseq::registry {

void Registry::on(const Event& event, const event::Registered& registered) {
    Thread* thread = thread_of(event, registered.tgid);
    Process* process = thread != nullptr ? thread->process_ : nullptr;
    const bool refused = registered.error != 0;
    const Mode before = thread != nullptr ? thread->mode : Mode::unknown;
    Mode after = before;
    if (refused) {
        if (process != nullptr) {
            remember(*process, {event.time_ns, event.tid, registered.length, registered.error});
        }
    } else {
        const Registration registration{.registered = true,
                                        .length = registered.length,
                                        .version = registered.version,
                                        .slice = registered.slice};
        // Only a kernel with two modes tells which one it was.
        after = judge(registration, registered.version ? KernelClass::dual : kernel_class_);
        if (thread != nullptr) {
            set_registration(*thread, after, registered.length,
                             slices_of_thread(after, registered.slice, process->policy, slices_));
            process->exec_is_fresh_ = false;
            process->source = Evidence::trace;
            settle(*process, &event);
        }
    }
    Change& change =
        tell(refused ? ChangeKind::refused : ChangeKind::registered, &event, process, thread);
    if (thread == nullptr) {
        change.pid = registered.tgid;
        change.tid = event.tid;
    }
    change.before = before;
    change.after = after;
}

void Registry::on(const Event& event, const event::Unregistered& unregistered) {
    Thread* thread = thread_of(event, unregistered.tgid);
    Process* process = thread != nullptr ? thread->process_ : nullptr;
    const bool refused = unregistered.error != 0;
    const Mode before = thread != nullptr ? thread->mode : Mode::unknown;
    if (thread != nullptr && !refused) {
        set_registration(*thread, Mode::none, 0, SliceState::unavailable);
        process->exec_is_fresh_ = false;
        process->source = Evidence::trace;
        settle(*process, &event);
    }
    Change& change = tell(refused ? ChangeKind::unregister_refused : ChangeKind::unregistered,
                          &event, process, thread);
    if (thread == nullptr) {
        change.pid = unregistered.tgid;
        change.tid = event.tid;
    }
    change.before = before;
    change.after = refused ? before : Mode::none;
}

/// Tells of an event without making the thread that it is of: it says nothing of its mode, or the
/// thread is about to end.
void Registry::tell_of(ChangeKind kind, const Event& event, pid_t tgid) {
    const Thread* thread = thread_at(event.tid);
    const Process* process = thread != nullptr && (tgid == 0 || thread->process_->pid == tgid)
                                 ? thread->process_
                                 : process_at(tgid);
    if (thread != nullptr && thread->process_ != process) {
        thread = nullptr;
    }
    Change& change = tell(kind, &event, process, thread);
    change.pid = process != nullptr ? process->pid : tgid;
    change.tid = event.tid;
}

void Registry::on(const Event& event, const event::Violation& violation) {
    tell_of(ChangeKind::violation, event, violation.tgid);
}

void Registry::on(const Event& event, const event::PolicyLatched& latched) {
    Process* process = process_at(latched.tgid);
    if (process == nullptr) {
        const Thread* thread = thread_of(event, latched.tgid);
        process = thread != nullptr ? thread->process_ : nullptr;
    }
    if (process != nullptr) {
        process->latched_ = latched.policy;
        process->touched_ = true;
    }
    tell_of(ChangeKind::policy_latched, event, latched.tgid);
}

void Registry::on(const Event& event, const event::SliceEnabled& enabled) {
    Thread* thread = thread_of(event, enabled.tgid);
    const bool can =
        thread != nullptr && (thread->mode == Mode::v2 || thread->mode == Mode::unknown);
    if (can && enabled.error == 0) {
        set_registration(*thread, thread->mode, thread->length,
                         enabled.enable ? SliceState::enabled : SliceState::available);
        thread->process_->source = Evidence::trace;
    }
    tell_of(ChangeKind::slice, event, enabled.tgid);
}

void Registry::on(const Event& event, const event::SliceGranted& granted) {
    tell_of(ChangeKind::slice, event, granted.tgid);
}

void Registry::on(const Event& event, const event::SliceEnded& ended) {
    tell_of(ChangeKind::slice, event, ended.tgid);
}

} // namespace rseq::registry
