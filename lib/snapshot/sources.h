// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include "snapshot/snapshot.h"

/// The sources of a snapshot. Internal to lib/snapshot.
namespace rseq::snapshot {

/// What a source may use.
struct Context {
    const proc::ProcReader& reader;
    const KernelFacts& facts;
    const Options& options;

    [[nodiscard]] bool wants(pid_t pid, bool kernel_thread) const;
};

/// Adds a judged thread to its process, and to its list if that is wanted.
void add_thread(const Context& context, Process& process, pid_t tid, std::string comm,
                const std::optional<Registration>& registration);

/// Derives the state of the process from its threads, its policy and the kernel's.
void judge_slices(const Context& context, Process& process);

/// The process with its name, start time and unit, its threads not yet filled in. Nothing if it is
/// not wanted. Fails with the errno of the reader.
Result<std::optional<Process>> describe(const Context& context, proc::ProcessDir& dir, pid_t pid);

/// True if this is how reading fails when the process has ended.
bool is_gone(const Error& error);

/// Adds a process, without its paths if there is no room for them (Options::path_bytes).
void add_process(const Context& context, Snapshot& snapshot, Process process);

/// Adds a process that is listed and shows nothing else: that is unknown, not absent.
void add_unreadable(Snapshot& snapshot, pid_t pid, const Error& error);

/// Counts the threads of a process that no source can tell about. False if it is gone.
bool fill_unknown(const Context& context, Process& process, proc::ProcessDir& dir);

/// The numbers that were asked for, or all that /proc lists, ascending.
Result<std::vector<pid_t>> wanted_processes(const Context& context);

/// Every process that is wanted, from /proc, each handed to `fill(process, dir, snapshot)`, which
/// returns false for a process that is gone.
template <class Fill>
Result<Snapshot> for_each_process(const Context& context, Fill fill) {
    const auto pids = wanted_processes(context);
    if (!pids) {
        return tl::unexpected<Error>(pids.error());
    }
    Snapshot snapshot;
    for (const pid_t pid : *pids) {
        auto dir = context.reader.open(pid);
        auto process =
            dir ? describe(context, *dir, pid) : tl::unexpected<Error>(std::move(dir.error()));
        if (!process) {
            if (!is_gone(process.error())) {
                add_unreadable(snapshot, pid, process.error());
            }
        } else if (*process && fill(**process, *dir, snapshot)) {
            judge_slices(context, **process);
            add_process(context, snapshot, std::move(**process));
        }
    }
    return snapshot;
}

/// The kernel's own files (docs/ABI.md).
Result<Snapshot> from_procfs(const Context& caller);
/// No source at all: every process is unknown because of `reason`.
Result<Snapshot> from_nothing(const Context& context, const std::string& reason);
/// Stops every thread for a moment and asks.
Result<Snapshot> from_ptrace(const Context& context);
/// One pass of the task iterator. Fails where it cannot be loaded.
Result<Snapshot> from_bpf(const Context& context);

} // namespace rseq::snapshot
