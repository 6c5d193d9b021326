// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include "core/kernel_facts.h"
#include "core/result.h"
#include "core/types.h"
#include "proc/cgroup.h"
#include "proc/proc_reader.h"

#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <vector>

namespace rseq::snapshot {

/// One thread, judged.
struct Thread {
    pid_t tid = 0;
    std::string comm; ///< untrusted
    Mode mode = Mode::unknown;
    std::uint32_t length = 0; ///< bytes registered; 0 if none or not known
    SliceState slice = SliceState::unknown;
};

/// One thread group, judged.
struct Process {
    ProcessKey key;
    bool kernel_thread = false;
    std::string comm;            ///< untrusted
    std::string cgroup;          ///< path, untrusted; empty if it could not be read or kept
    bool paths_left_out = false; ///< there is no cgroup and no program for Options::path_bytes
    proc::Unit unit;
    /// Path of the program, untrusted; only if Options::exe, empty if it could not be read or kept.
    std::string exe;
    ModeCounts threads;
    SliceState slice = SliceState::unknown;
    std::uint32_t slice_enabled = 0; ///< threads with slices enabled
    std::optional<Policy> policy;    ///< where the kernel has policies
    Evidence source = Evidence::none;
    std::vector<Thread> thread_list; ///< only if Options::threads
    /// Whether it is as the policies of rseq-compatd ask, and if not, why not; nothing if they ask
    /// for nothing here, or if the daemon was not asked: no other source knows.
    std::optional<bool> compliant;
    std::string compliance_reason;

    [[nodiscard]] Mode mode() const { return threads.process_mode(); }
};

struct Options {
    /// Ask every thread with ptrace instead of what is best here.
    bool probe = false;
    /// Fill Process::thread_list.
    bool threads = false;
    bool kernel_threads = false;
    /// Fill Process::exe.
    bool exe = false;
    /// Bytes of all cgroups and programs together. Processes beyond that have neither, because
    /// whoever makes many of them chooses how long these are.
    std::size_t path_bytes = std::numeric_limits<std::size_t>::max();
    /// Nothing: every process. Otherwise these alone; one that is gone is left out.
    std::optional<std::vector<pid_t>> only;
};

struct Snapshot {
    std::vector<Process> processes; ///< ascending by number
    /// Why processes are unknown, in one clause; empty if none is for a reason of the source.
    std::string unknown_reason;
    std::size_t path_bytes = 0; ///< what their cgroups and programs have
};

/// What every process is at this moment. The best source of this machine is taken: the kernel's own
/// /proc files, otherwise one pass of a BPF task iterator, otherwise /proc without modes. Processes
/// that end meanwhile are left out, and so is a thread that has begun to exit. Fails only if the
/// processes cannot be listed at all.
Result<Snapshot> take(const proc::ProcReader& reader, const KernelFacts& facts,
                      const Options& options);

/// Who this process is, without its threads and modes: identity, cgroup, program. Nothing if it is
/// gone.
std::optional<Process> identify(const proc::ProcReader& reader, pid_t pid);

} // namespace rseq::snapshot
