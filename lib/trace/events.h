// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace rseq::trace {

/// Where registrations are seen.
enum class EventSource : std::uint8_t {
    rseq,     ///< the trace events of our kernels, docs/ABI.md
    syscalls, ///< syscalls:sys_enter_rseq and sys_exit_rseq, of any kernel that traces system
              ///< calls. 32-bit programs on a 64-bit kernel are not seen, and while they are on,
              ///< every system call of the machine takes the kernel's slower way in and out.
    none,     ///< not at all: only threads, programs and cgroups
};

/// "rseq", "syscalls", "none".
[[nodiscard]] std::string_view to_string(EventSource source);

/// What the reader makes of one kind of record.
enum class Kind : std::uint8_t {
    new_task,
    rename,
    exec,
    exit,
    cgroup_mkdir,
    cgroup_attach,
    rseq_register,
    rseq_unregister,
    rseq_violation,
    rseq_policy,
    rseq_slice_enable,
    rseq_slice_grant,
    rseq_slice_end,
    syscall_enter,
    syscall_exit,
};
inline constexpr std::size_t kind_count = 15;

/// A trace event that the reader knows.
struct KnownEvent {
    /// When it is switched on.
    enum class Use : std::uint8_t {
        always,
        rseq,     ///< with EventSource::rseq
        slices,   ///< with EventSource::rseq, on request: they come as often as slices do
        syscalls, ///< with EventSource::syscalls
    };
    Kind kind;
    Use use;
    const char* system;
    const char* name;
    /// For the event's `filter` file, so that the kernel does not record what nobody wants.
    const char* filter;
};

/// All of them, in the order of Kind. rseq:rseq_update and rseq:rseq_ip_fixup are not among them
/// and never switched on: they are on hot paths.
[[nodiscard]] std::span<const KnownEvent, kind_count> known_events();

} // namespace rseq::trace
