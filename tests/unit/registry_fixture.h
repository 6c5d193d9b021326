// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include "registry/registry.h"

#include <gtest/gtest.h>
#include <linux/sched.h>

#include <initializer_list>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace rseq::registry {

inline KernelFacts patched_kernel() {
    KernelFacts facts;
    facts.kernel_class = KernelClass::dual;
    facts.slices = Availability::yes;
    facts.abi = 1;
    return facts;
}

inline KernelFacts stock_kernel(KernelClass kernel_class) {
    KernelFacts facts;
    facts.kernel_class = kernel_class;
    facts.slices = Availability::no;
    return facts;
}

/// A registry that is told one thing after the other, a millisecond apart.
class RegistryTest : public testing::Test {
protected:
    static constexpr std::uint64_t tick_ns = 10'000'000;
    static constexpr std::uint64_t step_ns = 1'000'000;
    static constexpr std::uint64_t a_while = 100'000'000; ///< as a long scan takes
    static constexpr Policy legacy{PolicyMode::legacy, PolicySlice::deny};
    static constexpr std::optional<Mode> absent = std::nullopt; ///< of what is not known at all

    /// A change that can be looked at when the registry has changed again.
    struct Told {
        ChangeKind kind;
        pid_t pid;
        pid_t tid;
        Mode before;
        Mode after;
        std::string comm;
        friend bool operator==(const Told&, const Told&) = default;
    };

    /// Starts anew on another kernel, or with other limits.
    void use(const KernelFacts& facts, const Limits& limits = {}) {
        registry.emplace(facts, limits);
    }

    void keep(Changes changes) {
        told.clear();
        for (const Change& change : changes) {
            told.push_back({change.kind, change.pid, change.tid, change.before, change.after,
                            std::string(change.comm)});
        }
    }

    void apply(pid_t tid, event::Payload payload) {
        now += step_ns;
        event = Event{now, tid, std::move(payload)};
        keep(registry->apply(event));
    }

    void start(pid_t parent, pid_t child, std::uint64_t flags, const std::string& comm = "child") {
        apply(parent, event::ThreadStarted{child, flags, comm});
    }
    void fork(pid_t parent, pid_t child) { start(parent, child, 0); }
    void vfork(pid_t parent, pid_t child) { start(parent, child, CLONE_VM | CLONE_VFORK); }
    void thread(pid_t parent, pid_t child) {
        start(parent, child, CLONE_VM | CLONE_THREAD | CLONE_SIGHAND);
    }
    void exec(pid_t tgid, pid_t caller, const std::string& filename = "/bin/program") {
        apply(tgid, event::Executed{tgid, caller, filename});
    }
    void exec(pid_t tgid) { exec(tgid, tgid); }
    void exits(pid_t tid, std::optional<bool> group_dead) {
        apply(tid, event::Exited{tid, group_dead});
    }
    void registers(pid_t tid, pid_t tgid, std::uint8_t version,
                   SliceState slice = SliceState::unavailable) {
        apply(tid,
              event::Registered{tgid, version, version == 1 ? 32U : 33U, 0, 0x53053053, slice, 0});
    }
    void is_refused(pid_t tid, pid_t tgid, std::int32_t error) {
        apply(tid,
              event::Registered{tgid, std::uint8_t{0}, 48, 0, 1, SliceState::unavailable, error});
    }
    /// As the system call events tell it.
    void calls_rseq(pid_t tid, std::uint32_t length, std::int32_t error = 0) {
        apply(tid, event::Registered{0, std::nullopt, length, 0, 0x53053053, SliceState::unknown,
                                     error});
    }
    void unregisters(pid_t tid, pid_t tgid, std::int32_t error = 0) {
        apply(tid, event::Unregistered{tgid, error});
    }
    void latches(pid_t tgid, Policy policy) { apply(tgid, event::PolicyLatched{tgid, policy}); }

    /// One process, its threads in these modes: the leader, then pid + 1 and so on.
    static snapshot::Process seen(pid_t pid, std::initializer_list<Mode> modes,
                                  std::uint64_t start_ticks = 1) {
        snapshot::Process process;
        process.key = {pid, start_ticks};
        process.comm = "seen";
        process.cgroup = "/system.slice/seen.service";
        process.exe = "/usr/bin/seen";
        process.policy = Policy{};
        process.source = Evidence::procfs;
        for (const Mode mode : modes) {
            const bool v2 = mode == Mode::v2;
            process.thread_list.push_back({pid + static_cast<pid_t>(process.thread_list.size()),
                                           "seen", mode, mode == Mode::v1 ? 32U : (v2 ? 33U : 0U),
                                           v2 ? SliceState::available : SliceState::unavailable});
            process.threads.add(mode);
        }
        return process;
    }

    /// A whole scan. It begins now, and ends so much later.
    void scan(const std::vector<snapshot::Process>& processes, std::uint64_t duration_ns = 0,
              bool events_lost = false) {
        now += step_ns;
        keep(registry->reconcile({processes, now, now + duration_ns, std::nullopt, events_lost}));
    }
    /// A scan of these alone.
    void scan_only(const std::vector<pid_t>& pids, const std::vector<snapshot::Process>& processes,
                   std::uint64_t duration_ns = 0) {
        now += step_ns;
        keep(registry->reconcile({processes, now, now + duration_ns, pids, false}));
    }

    std::optional<Mode> mode_of(pid_t pid) {
        const Process* process = registry->find(pid);
        return process == nullptr ? std::nullopt : std::optional(process->mode());
    }
    std::optional<Mode> mode_of_thread(pid_t tid) {
        const Thread* thread = registry->find_thread(tid);
        return thread == nullptr ? std::nullopt : std::optional(thread->mode);
    }
    std::vector<pid_t> threads_of(pid_t pid) {
        std::vector<pid_t> tids;
        if (const Process* process = registry->find(pid)) {
            for (const Thread* each : registry->threads(*process)) {
                tids.push_back(each->tid);
            }
        }
        return tids;
    }
    std::vector<ChangeKind> kinds() {
        std::vector<ChangeKind> all;
        for (const Told& change : told) {
            all.push_back(change.kind);
        }
        return all;
    }
    /// The numbers to be scanned, and those to be described, ascending.
    std::pair<std::vector<pid_t>, std::vector<pid_t>> unsettled() {
        std::pair<std::vector<pid_t>, std::vector<pid_t>> all;
        for (const Unsettled& each : registry->take_unsettled()) {
            (each.modes ? all.first : all.second).push_back(each.pid);
        }
        std::sort(all.first.begin(), all.first.end());
        std::sort(all.second.begin(), all.second.end());
        return all;
    }

    std::optional<Registry> registry{std::in_place, patched_kernel()};
    std::uint64_t now = 1000 * tick_ns;
    Event event;
    std::vector<Told> told;
};

using Kinds = std::vector<ChangeKind>;
using Pids = std::vector<pid_t>;

} // namespace rseq::registry
