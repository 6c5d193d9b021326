// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include "core/types.h"
#include "proc/cgroup.h"

#include <sys/types.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace rseq::registry {

class Registry;
struct Process;
struct RefusalLog;

/// Longer paths are cut.
inline constexpr std::size_t longest_path = 4096;

/// The name of a task, as the kernel keeps it: at most 15 untrusted bytes, in place.
class Comm {
public:
    static constexpr std::size_t max_length = 15;

    Comm() = default;
    explicit Comm(std::string_view text) noexcept; ///< cut after max_length bytes or at a NUL
    [[nodiscard]] std::string_view view() const noexcept;
    friend bool operator==(const Comm&, const Comm&) = default;

private:
    std::array<char, max_length + 1> bytes_{}; ///< the rest is NULs
};

/// A cgroup that processes are in, shared by all of them.
struct Cgroup {
    std::string path; ///< untrusted, as proc::parse_cgroup() gives it
    proc::Unit unit;
};

/// An attempt to register that the kernel refused.
struct Refusal {
    std::uint64_t time_ns = 0; ///< CLOCK_BOOTTIME
    pid_t tid = 0;
    std::uint32_t length = 0;
    std::int32_t error = 0; ///< errno
};

/// One thread that has not exited.
struct Thread {
    pid_t tid = 0;
    std::uint32_t length = 0; ///< bytes registered; 0 if none or not known
    Mode mode = Mode::unknown;
    SliceState slice = SliceState::unknown;
    Comm comm;

private:
    friend class Registry;
    bool touched_ = false;       ///< by an event since the last scan
    Process* process_ = nullptr; ///< that it is of, never null
    Thread* next_ = nullptr;     ///< of the same process, in no order
    Thread* previous_ = nullptr;
};

/// One thread group of which at least one thread has not exited, as far as it is known.
struct Process {
    pid_t pid = 0;
    bool kernel_thread = false;
    /// Field 22 of /proc/<pid>/stat (ProcessKey). Nothing until a scan or a description told it:
    /// no event does.
    std::optional<std::uint64_t> start_ticks;
    /// CLOCK_BOOTTIME of the first event that told of it; 0 if a scan did. It had started by then.
    std::uint64_t known_since_ns = 0;
    /// CLOCK_BOOTTIME of the execve(2) that its program comes from, be it called by itself or by
    /// whom it was forked from; 0 if no event told of it.
    std::uint64_t executed_ns = 0;
    /// Whether it, or whom it was forked from, came to its cgroup after that execve(2).
    bool moved_since_exec = false;
    Comm comm;
    /// Path of the program, or what execve(2) was given until a description replaces it: possibly
    /// relative, and the script instead of its interpreter. Untrusted; null if not known. This and
    /// the cgroup are not to be kept for longer than the registry.
    std::shared_ptr<const std::string> exe;
    /// Null if not known.
    std::shared_ptr<const Cgroup> cgroup;
    ModeCounts threads;
    std::uint32_t slice_enabled = 0; ///< threads with slices enabled
    /// Nothing where the kernel has no policies, or if it is not known.
    std::optional<Policy> policy;
    /// The weakest source that an answer about its threads rests on: Evidence::trace as soon as
    /// an event changed or added one since the last scan.
    Evidence source = Evidence::none;

    [[nodiscard]] Mode mode() const { return threads.process_mode(); }
    /// Identity as the kernel's files have it; nothing until start_ticks is known.
    [[nodiscard]] std::optional<ProcessKey> key() const;
    /// Empty if not known.
    [[nodiscard]] std::string_view exe_path() const;
    [[nodiscard]] std::string_view cgroup_path() const;
    /// A unit without a name if there is none or it is not known.
    [[nodiscard]] const proc::Unit& unit() const;

private:
    friend class Registry;
    Thread* first_thread_ = nullptr;
    RefusalLog* refusals_ = nullptr;    ///< owned by the registry
    std::uint64_t scan_end_ns_ = 0;     ///< see Registry::is_inexact()
    std::optional<Policy> latched_;     ///< told, and the exec that it is of was not told yet
    Mode counted_mode_ = Mode::unknown; ///< that the registry counts it under
    bool counted_ = false;
    bool leader_exit_told_ = false;    ///< the thread with the number of the group
    bool exec_is_fresh_ = false;       ///< nothing was told of its registration since its exec
    bool latch_may_be_missed_ = false; ///< and not told by an event
    bool touched_ = false;             ///< by an event, it or a thread of it, since the last scan
    bool queued_ = false;              ///< in Registry::unsettled_
    bool modes_wanted_ = false;        ///< see Unsettled::modes
};

} // namespace rseq::registry
