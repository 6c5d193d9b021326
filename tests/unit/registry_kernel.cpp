// SPDX-License-Identifier: GPL-2.0-or-later
#include "unit/registry_kernel.h"

#include <algorithm>
#include <array>
#include <set>
#include <utility>

namespace rseq::registry {

namespace {

constexpr std::array cgroups{"/system.slice/a.service", "/system.slice/b.service",
                             "/system.slice/c.service"};

} // namespace

SimulatedKernel::SimulatedKernel(const Traits& traits, std::uint64_t seed)
    : traits_(traits), random_(seed) {
    Process init;
    init.pid = 1;
    init.exe = "/sbin/init";
    init.cgroup = "/init.scope";
    processes_[1] = init;
    Thread thread;
    thread.tid = 1;
    thread.tgid = 1;
    thread.comm = "init";
    threads_[1] = thread;
}

std::size_t SimulatedKernel::below(std::size_t bound) {
    return static_cast<std::size_t>(random_() % bound);
}

bool SimulatedKernel::chance(unsigned percent) {
    return below(100) < percent;
}

void SimulatedKernel::tell(pid_t tid, event::Payload payload) {
    events.push_back({now_, tid, std::move(payload)});
}

Policy SimulatedKernel::policy_of(const std::string& cgroup) const {
    if (!traits_.abi || cgroup == cgroups[0] || cgroup == "/init.scope") {
        return {};
    }
    return cgroup == cgroups[1] ? Policy{PolicyMode::legacy, PolicySlice::allow}
                                : Policy{PolicyMode::automatic, PolicySlice::deny};
}

std::string SimulatedKernel::some_cgroup() {
    return cgroups[below(cgroups.size())];
}

std::optional<pid_t> SimulatedKernel::free_number() {
    if (threads_.size() >= traits_.most_threads) {
        return std::nullopt;
    }
    for (;;) {
        const auto number =
            static_cast<pid_t>(2 + below(static_cast<std::size_t>(traits_.highest_number)));
        if (!threads_.contains(number) && !processes_.contains(number)) {
            return number;
        }
    }
}

void SimulatedKernel::step() {
    now_ += 1 + below(tick_ns);
    if (chance(5)) {
        move_process();
        return;
    }
    std::vector<Thread*> able;
    for (auto& [tid, thread] : threads_) {
        if (!thread.zombie) {
            able.push_back(&thread);
        }
    }
    Thread& thread = *able[below(able.size())];
    if (thread.steps.empty() && thread.must_exit) {
        begin_exit(thread);
    } else if (thread.steps.empty() && calls_start_) {
        start_call(thread);
    }
    if (!thread.steps.empty()) {
        run_step(thread);
    }
}

void SimulatedKernel::run_step(Thread& thread) {
    const pid_t tid = thread.tid;
    // The step may take the number, or the thread, away: it is not in the queue while it runs.
    Step step = std::move(thread.steps.front());
    thread.steps.pop_front();
    if (!step(*this, tid)) {
        threads_.at(tid).steps.push_front(std::move(step)); // waits
    }
}

void SimulatedKernel::finish() {
    calls_start_ = false;
    const auto busy = [&] {
        return std::any_of(threads_.begin(), threads_.end(), [](const auto& entry) {
            const Thread& thread = entry.second;
            return !thread.steps.empty() || (thread.must_exit && !thread.zombie);
        });
    };
    while (busy()) {
        step();
    }
    calls_start_ = true;
}

void SimulatedKernel::finish_execs() {
    for (bool more = true; more;) {
        more = false;
        for (auto& [tid, thread] : threads_) {
            if (thread.told_of_exec) {
                run_step(thread);
                more = true;
                break;
            }
        }
    }
}

void SimulatedKernel::move_process() {
    auto at = processes_.begin();
    std::advance(at, static_cast<std::ptrdiff_t>(below(processes_.size())));
    if (at->first == 1) {
        return;
    }
    at->second.cgroup = some_cgroup();
    tell(1, event::CgroupEntered{at->first, 1, at->second.cgroup});
}

snapshot::Thread SimulatedKernel::shown(const Thread& thread) const {
    return {thread.tid, thread.comm, thread.zombie ? Mode::none : thread.mode, thread.length,
            thread.slice};
}

snapshot::Process SimulatedKernel::shown(const Process& process) const {
    snapshot::Process seen;
    seen.key = {process.pid, process.start_ns / tick_ns};
    seen.source = traits_.abi ? Evidence::procfs : Evidence::bpf;
    seen.comm = threads_.at(process.pid).comm;
    seen.exe = process.exe;
    seen.cgroup = process.cgroup;
    return seen;
}

std::optional<snapshot::Process> SimulatedKernel::read(pid_t pid, bool steps_between) {
    const auto go_on = [&] {
        while (steps_between && chance(40)) {
            step();
        }
    };
    const auto at = processes_.find(pid);
    if (at == processes_.end()) {
        return std::nullopt;
    }
    const std::uint64_t incarnation = at->second.incarnation;
    const auto is_there = [&] {
        const auto found = processes_.find(pid);
        return found != processes_.end() && found->second.incarnation == incarnation;
    };
    snapshot::Process seen = shown(at->second);
    go_on();
    if (!is_there()) {
        return std::nullopt;
    }
    if (traits_.abi) {
        seen.policy = processes_.at(pid).policy;
    }
    // As lib/snapshot does it.
    std::map<pid_t, snapshot::Thread> threads;
    std::set<pid_t> ended;
    for (bool more_ended = true; more_ended;) {
        more_ended = false;
        go_on();
        std::set<pid_t> listed;
        for (const auto& [tid, thread] : threads_) {
            if (is_there() && thread.tgid == pid) {
                listed.insert(tid);
            }
        }
        std::erase_if(threads, [&](const auto& entry) { return !listed.contains(entry.first); });
        for (const pid_t tid : listed) {
            go_on();
            if (threads.contains(tid)) {
                continue;
            }
            const auto thread = threads_.find(tid);
            if (is_there() && thread != threads_.end() && thread->second.tgid == pid &&
                !thread->second.exiting) {
                threads[tid] = shown(thread->second);
            } else {
                more_ended = ended.insert(tid).second || more_ended;
            }
        }
    }
    for (const auto& [tid, thread] : threads) {
        seen.thread_list.push_back(thread);
        seen.threads.add(thread.mode);
    }
    if (seen.thread_list.empty()) {
        return std::nullopt;
    }
    return seen;
}

std::vector<snapshot::Process> SimulatedKernel::scan(const std::optional<std::vector<pid_t>>& only,
                                                     bool steps_between) {
    std::vector<pid_t> pids;
    if (only) {
        pids = *only;
    } else {
        for (const auto& [pid, process] : processes_) {
            pids.push_back(pid);
        }
    }
    std::sort(pids.begin(), pids.end());
    std::vector<snapshot::Process> seen;
    for (const pid_t pid : pids) {
        if (auto process = read(pid, steps_between)) {
            seen.push_back(std::move(*process));
        }
    }
    return seen;
}

std::vector<snapshot::Process> SimulatedKernel::identify(const std::vector<pid_t>& pids) {
    std::vector<snapshot::Process> seen;
    for (const pid_t pid : pids) {
        if (const auto at = processes_.find(pid); at != processes_.end()) {
            seen.push_back(shown(at->second));
        }
    }
    return seen;
}

std::vector<snapshot::Process> SimulatedKernel::truth() const {
    std::vector<snapshot::Process> all;
    for (const auto& [pid, process] : processes_) {
        snapshot::Process seen = shown(process);
        if (traits_.abi) {
            seen.policy = process.policy;
        }
        for (const auto& [tid, thread] : threads_) {
            if (thread.tgid == pid && !thread.exiting) {
                seen.thread_list.push_back(shown(thread));
                seen.threads.add(thread.mode);
                seen.slice_enabled += thread.slice == SliceState::enabled ? 1U : 0U;
            }
        }
        if (!seen.thread_list.empty()) {
            all.push_back(std::move(seen));
        }
    }
    return all;
}

} // namespace rseq::registry
