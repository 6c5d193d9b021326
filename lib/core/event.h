// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include "core/types.h"

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <variant>

/// What the kernel says happened. Where an event comes from, and how it is encoded there, is the
/// business of lib/trace. All numbers of threads and processes are of the initial pid namespace,
/// all strings are untrusted bytes.
namespace rseq::event {

/// task:task_newtask: the thread that the event belongs to made another one.
struct ThreadStarted {
    pid_t tid = 0;                 ///< of the new one
    std::uint64_t clone_flags = 0; ///< clone(2); CLONE_THREAD: of the same thread group
    std::string comm;
};

/// task:task_rename: prctl(PR_SET_NAME), a write to comm, or execve(2).
struct Renamed {
    pid_t tid = 0;
    std::string comm;
};

/// sched:sched_process_exec: the thread group runs another program. All of its other threads are
/// gone, and the one that called it has the number of the group now.
struct Executed {
    pid_t tgid = 0;
    pid_t caller = 0;     ///< number that the calling thread had until now
    std::string filename; ///< as execve(2) was given it, and so possibly relative
};

/// sched:sched_process_exit.
struct Exited {
    pid_t tid = 0;
    /// Whether no thread of the group is left; nothing on kernels that do not say.
    std::optional<bool> group_dead;
};

/// rseq:rseq_register, or syscalls:sys_{enter,exit}_rseq: an attempt to register.
struct Registered {
    pid_t tgid = 0; ///< 0 where the event does not say
    /// What the kernel made of it, 1 or 2; nothing on kernels without our events.
    std::optional<std::uint8_t> version;
    std::uint32_t length = 0;
    std::int32_t flags = 0;
    std::uint32_t signature = 0;
    SliceState slice = SliceState::unknown;
    std::int32_t error = 0; ///< errno of a refused attempt, 0 for success
};

/// rseq:rseq_unregister, or the system call events with the flag for it.
struct Unregistered {
    pid_t tgid = 0;         ///< 0 where the event does not say
    std::int32_t error = 0; ///< errno of a refused attempt, 0 for success
};

/// rseq:rseq_violation: the process is about to be killed with SIGSEGV.
struct Violation {
    pid_t tgid = 0;
    std::uint8_t version = 0;
    std::string reason;         ///< a word of docs/ABI.md, or the number of one not known yet
    std::uint64_t expected = 0; ///< meaning by reason, see docs/ABI.md
    std::uint64_t found = 0;
    std::uint64_t ip = 0;
};

/// rseq:rseq_policy: an execve latched something else than `auto allow`.
struct PolicyLatched {
    pid_t tgid = 0;
    Policy policy;
};

/// rseq:rseq_slice_enable: the prctl.
struct SliceEnabled {
    pid_t tgid = 0;
    bool enable = false;
    std::int32_t error = 0;
};

/// rseq:rseq_slice_grant.
struct SliceGranted {
    pid_t tgid = 0;
    std::uint32_t length_ns = 0;
};

/// rseq:rseq_slice_end.
struct SliceEnded {
    pid_t tgid = 0;
    std::string reason; ///< yield, syscall, expired, revoked
    std::uint64_t held_ns = 0;
};

/// cgroup:cgroup_mkdir in the unified hierarchy.
struct CgroupMade {
    std::uint64_t id = 0; ///< inode number of the directory
    std::string path;     ///< from the root of the hierarchy
};

/// cgroup:cgroup_attach_task in the unified hierarchy.
struct CgroupEntered {
    pid_t tid = 0;
    std::uint64_t id = 0;
    std::string path;
};

using Payload =
    std::variant<ThreadStarted, Renamed, Executed, Exited, Registered, Unregistered, Violation,
                 PolicyLatched, SliceEnabled, SliceGranted, SliceEnded, CgroupMade, CgroupEntered>;

} // namespace rseq::event

namespace rseq {

/// One event.
struct Event {
    std::uint64_t time_ns = 0; ///< CLOCK_BOOTTIME
    pid_t tid = 0; ///< thread that was running: the one that registered, was killed, ...
    event::Payload payload;
};

} // namespace rseq
