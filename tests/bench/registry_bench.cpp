// SPDX-License-Identifier: GPL-2.0-or-later
// What an event costs, and what a thread takes, with so many threads known.
#include "registry/registry.h"

#include <benchmark/benchmark.h>
#include <linux/sched.h>
#include <malloc.h>

#include <memory>
#include <string>
#include <vector>

using namespace rseq;
using namespace rseq::registry;

namespace {

constexpr pid_t threads_each = 10;
constexpr std::uint64_t after_the_scan_ns = 1'000'000'000'000;

KernelFacts patched_kernel() {
    KernelFacts facts;
    facts.kernel_class = KernelClass::dual;
    facts.slices = Availability::yes;
    facts.abi = 1;
    return facts;
}

/// Processes of ten threads, a cgroup and a program for each.
std::vector<snapshot::Process> crowd(std::int64_t threads) {
    std::vector<snapshot::Process> processes;
    for (pid_t pid = 1000; processes.size() * threads_each < static_cast<std::size_t>(threads);
         pid += threads_each) {
        snapshot::Process process;
        process.key = {pid, static_cast<std::uint64_t>(pid)};
        process.comm = "worker";
        process.cgroup = "/system.slice/worker-" + std::to_string(pid) + ".service";
        process.exe = "/usr/lib/worker/worker-" + std::to_string(pid);
        process.policy = Policy{};
        process.source = Evidence::procfs;
        for (pid_t tid = pid; tid < pid + threads_each; tid++) {
            process.thread_list.push_back({tid, "worker", Mode::v2, 33, SliceState::available});
            process.threads.add(Mode::v2);
        }
        processes.push_back(std::move(process));
    }
    return processes;
}

void fill(Registry& registry, const std::vector<snapshot::Process>& processes) {
    registry.reconcile({processes, 1, 2, std::nullopt, false});
}

/// A process that is forked, executes a program, registers and exits: six events.
void short_life(benchmark::State& state) {
    Registry registry(patched_kernel());
    fill(registry, crowd(state.range(0)));
    constexpr pid_t child = 900;
    std::uint64_t now = after_the_scan_ns;
    const std::vector<Event> life{
        {now, 1000, event::ThreadStarted{child, CLONE_VM | CLONE_VFORK, "sh"}},
        {now, child, event::PolicyLatched{child, Policy{PolicyMode::legacy, {}}}},
        {now, child, event::Renamed{child, "true"}},
        {now, child, event::Executed{child, child, "/usr/bin/true"}},
        {now, child,
         event::Registered{child, std::uint8_t{1}, 32, 0, 1, SliceState::unavailable, 0}},
        {now, child, event::Exited{child, true}}};
    for (auto _ : state) {
        for (const Event& event : life) {
            benchmark::DoNotOptimize(registry.apply(event));
        }
    }
    state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(life.size()));
}

/// Registrations and unregistrations of all threads in turn.
void registrations(benchmark::State& state) {
    Registry registry(patched_kernel());
    const auto processes = crowd(state.range(0));
    fill(registry, processes);
    std::vector<Event> events;
    for (const auto& process : processes) {
        const pid_t pid = process.key.pid;
        for (pid_t tid = pid; tid < pid + threads_each; tid++) {
            events.push_back({after_the_scan_ns, tid, event::Unregistered{pid, 0}});
            events.push_back(
                {after_the_scan_ns, tid,
                 event::Registered{pid, std::uint8_t{2}, 33, 0, 1, SliceState::available, 0}});
        }
    }
    std::size_t next = 0;
    for (auto _ : state) {
        benchmark::DoNotOptimize(registry.apply(events[next]));
        next = next + 1 == events.size() ? 0 : next + 1;
    }
    state.SetItemsProcessed(static_cast<std::int64_t>(state.iterations()));
}

void reconcile(benchmark::State& state) {
    Registry registry(patched_kernel());
    const auto processes = crowd(state.range(0));
    for (auto _ : state) {
        fill(registry, processes);
    }
    state.SetItemsProcessed(static_cast<std::int64_t>(state.iterations()) * state.range(0));
}

/// The memory is what the allocator counts, its own overhead included.
void memory(benchmark::State& state) {
    const auto processes = crowd(state.range(0));
    for (auto _ : state) {
        const std::size_t before = ::mallinfo2().uordblks;
        auto registry = std::make_unique<Registry>(patched_kernel());
        fill(*registry, processes);
        registry->apply({after_the_scan_ns, 1, event::CgroupMade{}}); // forgets the changes
        const auto bytes = static_cast<double>(::mallinfo2().uordblks - before);
        state.counters["bytes"] = bytes;
        state.counters["bytes_per_thread"] = bytes / static_cast<double>(state.range(0));
    }
}

BENCHMARK(short_life)->Arg(4'000)->Arg(100'000);
BENCHMARK(registrations)->Arg(4'000)->Arg(100'000);
BENCHMARK(reconcile)->Arg(4'000)->Arg(100'000)->Unit(benchmark::kMillisecond);
BENCHMARK(memory)->Arg(4'000)->Arg(100'000)->Iterations(1)->Unit(benchmark::kMillisecond);

} // namespace

BENCHMARK_MAIN();
