// SPDX-License-Identifier: GPL-2.0-or-later
#include "snapshot/snapshot.h"

#include "core/slices.h"
#include "snapshot/sources.h"

#include <algorithm>
#include <cerrno>
#include <utility>

namespace rseq::snapshot {

bool Context::wants(pid_t pid, bool kernel_thread) const {
    if (!options.only) {
        return !kernel_thread || options.kernel_threads;
    }
    // One that was named is shown whatever it is.
    return std::binary_search(options.only->begin(), options.only->end(), pid);
}

void add_thread(const Context& context, Process& process, pid_t tid, std::string comm,
                const std::optional<Registration>& registration) {
    Thread thread;
    thread.tid = tid;
    if (registration) {
        thread.mode = judge(*registration, context.facts.kernel_class);
        thread.length = registration->length;
        thread.slice = registration->slice;
    }
    thread.slice =
        slices_of_thread(thread.mode, thread.slice, process.policy, context.facts.slices);
    process.threads.add(thread.mode);
    process.slice_enabled += thread.slice == SliceState::enabled ? 1U : 0U;
    if (context.options.threads) {
        thread.comm = std::move(comm);
        process.thread_list.push_back(std::move(thread));
    }
}

void judge_slices(const Context& context, Process& process) {
    process.slice = slices_of_process(process.threads, process.slice_enabled, process.policy,
                                      context.facts.slices);
}

bool is_gone(const Error& error) {
    return error.code == ENOENT || error.code == ESRCH;
}

void add_process(const Context& context, Snapshot& snapshot, Process process) {
    const std::size_t bytes = process.cgroup.size() + process.exe.size();
    if (bytes > context.options.path_bytes - snapshot.path_bytes) {
        process.cgroup = {};
        process.exe = {};
        process.unit = {};
        process.paths_left_out = true;
    } else {
        snapshot.path_bytes += bytes;
    }
    snapshot.processes.push_back(std::move(process));
}

void add_unreadable(Snapshot& snapshot, pid_t pid, const Error& error) {
    snapshot.unknown_reason = error.message();
    Process process;
    process.key.pid = pid;
    snapshot.processes.push_back(std::move(process));
}

Result<std::optional<Process>> describe(const Context& context, proc::ProcessDir& dir, pid_t pid) {
    auto identity = dir.identity();
    if (!identity) {
        return tl::unexpected<Error>(std::move(identity.error()));
    }
    if (!context.wants(pid, identity->kernel_thread)) {
        return std::nullopt;
    }
    Process process;
    process.key = {pid, identity->start_ticks};
    process.kernel_thread = identity->kernel_thread;
    process.comm = std::move(identity->comm);
    if (auto cgroup = dir.cgroup()) {
        process.cgroup = std::move(*cgroup);
        process.unit = proc::unit_of_cgroup(process.cgroup);
    }
    if (context.options.exe) {
        process.exe = dir.exe().value_or("");
    }
    return process;
}

Result<std::vector<pid_t>> wanted_processes(const Context& context) {
    if (context.options.only) {
        return *context.options.only;
    }
    return context.reader.processes();
}

namespace {

Result<Snapshot> from_best_source(const Context& context) {
    if (context.options.probe) {
        return from_ptrace(context);
    }
    if (context.reader.has_rseq_files()) {
        return from_procfs(context);
    }
    auto snapshot = from_bpf(context);
    if (!snapshot) {
        return from_nothing(context, snapshot.error().message());
    }
    return snapshot;
}

} // namespace

Result<Snapshot> take(const proc::ProcReader& reader, const KernelFacts& facts,
                      const Options& options) {
    Options sorted = options;
    if (sorted.only) {
        std::sort(sorted.only->begin(), sorted.only->end());
        sorted.only->erase(std::unique(sorted.only->begin(), sorted.only->end()),
                           sorted.only->end());
    }
    auto snapshot = from_best_source({reader, facts, sorted});
    // Without the class nobody can say what a registration means, whatever the source saw of it.
    const auto is_unknown = [](const Process& process) {
        return process.mode() == Mode::unknown;
    };
    if (snapshot && snapshot->unknown_reason.empty() &&
        facts.kernel_class == KernelClass::unknown &&
        std::any_of(snapshot->processes.begin(), snapshot->processes.end(), is_unknown)) {
        snapshot->unknown_reason = "the kernel's class is not known: " + facts.class_reason;
    }
    return snapshot;
}

std::optional<Process> identify(const proc::ProcReader& reader, pid_t pid) {
    const KernelFacts facts;
    const Options options{.kernel_threads = true, .exe = true, .only = std::nullopt};
    const Context context{reader, facts, options};
    auto dir = reader.open(pid);
    auto process = dir ? describe(context, *dir, pid) : std::nullopt;
    return process ? std::move(*process) : std::nullopt;
}

} // namespace rseq::snapshot
