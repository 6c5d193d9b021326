// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include "registry/registry.h"

#include <cstdint>
#include <string>

namespace rseq::registry {

/// Counts once more what the registry counts as it goes, and looks each thing up. What is wrong, in
/// words; empty if nothing is.
inline std::string miscount(const Registry& registry) {
    ProcessCounts processes;
    ModeCounts threads;
    std::size_t thread_size = 0;
    pid_t previous = 0;
    for (const Process* process : registry.processes()) {
        const std::string who = "process " + std::to_string(process->pid) + ": ";
        if (process->pid <= previous && thread_size > 0) {
            return who + "out of order";
        }
        previous = process->pid;
        if (registry.find(process->pid) != process) {
            return who + "not found";
        }
        ModeCounts own;
        std::uint32_t enabled = 0;
        for (const Thread* thread : registry.threads(*process)) {
            if (registry.find_thread(thread->tid) != thread) {
                return who + "thread " + std::to_string(thread->tid) + " not found";
            }
            own.add(thread->mode);
            enabled += thread->slice == SliceState::enabled ? 1U : 0U;
            thread_size++;
        }
        if (process->threads != own) {
            return who + "wrong counts of threads";
        }
        if (process->slice_enabled != enabled) {
            return who + "wrong count of enabled slices";
        }
        if (registry.refusals(*process).size() > 8) {
            return who + "too many refusals";
        }
        if (process->kernel_thread) {
            continue;
        }
        threads.add(Mode::v1, own.v1);
        threads.add(Mode::v2, own.v2);
        threads.add(Mode::none, own.none);
        threads.add(Mode::unknown, own.unknown);
        const Mode mode = process->mode();
        (mode == Mode::none    ? processes.none
         : mode == Mode::v1    ? processes.v1
         : mode == Mode::v2    ? processes.v2
         : mode == Mode::mixed ? processes.mixed
                               : processes.unknown)++;
    }
    if (registry.process_counts() != processes) {
        return "wrong counts of processes";
    }
    if (registry.thread_counts() != threads) {
        return "wrong counts of threads";
    }
    return registry.thread_size() == thread_size ? "" : "threads without a process";
}

} // namespace rseq::registry
