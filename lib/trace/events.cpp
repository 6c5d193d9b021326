// SPDX-License-Identifier: GPL-2.0-or-later
#include "trace/events.h"

#include <array>

namespace rseq::trace {

namespace {

using Use = KnownEvent::Use;

// Hierarchy 0 is the unified one (cgroups(7), /proc/PID/cgroup).
constexpr std::array<KnownEvent, kind_count> events{{
    {Kind::new_task, Use::always, "task", "task_newtask", nullptr},
    {Kind::rename, Use::always, "task", "task_rename", nullptr},
    {Kind::exec, Use::always, "sched", "sched_process_exec", nullptr},
    {Kind::exit, Use::always, "sched", "sched_process_exit", nullptr},
    {Kind::cgroup_mkdir, Use::always, "cgroup", "cgroup_mkdir", "root == 0"},
    {Kind::cgroup_attach, Use::always, "cgroup", "cgroup_attach_task", "dst_root == 0"},
    {Kind::rseq_register, Use::rseq, "rseq", "rseq_register", nullptr},
    {Kind::rseq_unregister, Use::rseq, "rseq", "rseq_unregister", nullptr},
    {Kind::rseq_violation, Use::rseq, "rseq", "rseq_violation", nullptr},
    {Kind::rseq_policy, Use::rseq, "rseq", "rseq_policy", nullptr},
    {Kind::rseq_slice_enable, Use::rseq, "rseq", "rseq_slice_enable", nullptr},
    {Kind::rseq_slice_grant, Use::slices, "rseq", "rseq_slice_grant", nullptr},
    {Kind::rseq_slice_end, Use::slices, "rseq", "rseq_slice_end", nullptr},
    {Kind::syscall_enter, Use::syscalls, "syscalls", "sys_enter_rseq", nullptr},
    {Kind::syscall_exit, Use::syscalls, "syscalls", "sys_exit_rseq", nullptr},
}};

constexpr bool in_order() {
    for (std::size_t i = 0; i < events.size(); ++i) {
        if (static_cast<std::size_t>(events[i].kind) != i) {
            return false;
        }
    }
    return true;
}
static_assert(in_order());

} // namespace

std::string_view to_string(EventSource source) {
    switch (source) {
    case EventSource::rseq:
        return "rseq";
    case EventSource::syscalls:
        return "syscalls";
    case EventSource::none:
        break;
    }
    return "none";
}

std::span<const KnownEvent, kind_count> known_events() {
    return events;
}

} // namespace rseq::trace
