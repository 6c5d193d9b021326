// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include "core/event.h"
#include "snapshot/snapshot.h"

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <random>
#include <string>
#include <vector>

namespace rseq::registry {

/// A kernel that is nothing but what the registry is to know of one: threads that start others,
/// execute programs, register and exit, at random. Each system call is done in the steps of the
/// real one, in their order (kernel/fork.c, fs/exec.c, kernel/exit.c, kernel/rseq.c and the
/// series), and between two steps of one thread others go on.
class SimulatedKernel {
public:
    struct Traits {
        bool abi = true;              ///< has our events, files and policies
        bool tells_group_dead = true; ///< in the event of an exit
        std::size_t most_threads = 24;
        pid_t highest_number = 60; ///< so that numbers are soon used again
    };

    struct Thread {
        pid_t tid = 0;
        pid_t tgid = 0;
        std::uint64_t incarnation = 0; ///< no two threads have the same
        bool exiting = false;          ///< PF_EXITING
        bool zombie = false;           ///< exit_state is set
        bool must_exit = false;        ///< has been sent SIGKILL
        bool told_of_exec = false;     ///< and has not forgotten its old registration
        Mode mode = Mode::none;
        std::uint32_t length = 0;
        SliceState slice = SliceState::unavailable;
        std::string comm;
        /// What is left of the system call that it is in.
        std::deque<std::function<bool(SimulatedKernel&, pid_t)>> steps;
    };

    struct Process {
        pid_t pid = 0;
        std::uint64_t start_ns = 0;
        std::uint64_t incarnation = 0;
        unsigned live = 1;
        Policy policy;
        std::string exe;
        std::string cgroup;
    };

    SimulatedKernel(const Traits& traits, std::uint64_t seed);

    /// One step of one thread, or an administrator's.
    void step();
    /// Every thread completes the system call that it is in, and no other is started.
    void finish();
    /// The threads that told of an exec complete it.
    void finish_execs();

    /// Reads what a scan of these processes, or of all, sees. Steps are done between any two reads.
    std::vector<snapshot::Process> scan(const std::optional<std::vector<pid_t>>& only,
                                        bool steps_between);
    /// Reads what an identification sees.
    std::vector<snapshot::Process> identify(const std::vector<pid_t>& pids);

    /// Processes with threads that have not begun to exit, as they are now.
    [[nodiscard]] std::vector<snapshot::Process> truth() const;

    [[nodiscard]] std::uint64_t now() const { return now_; }
    bool chance(unsigned percent);
    std::size_t below(std::size_t bound);

    std::deque<Event> events; ///< not read yet
    static constexpr std::uint64_t tick_ns = 10'000'000;

private:
    using Step = std::function<bool(SimulatedKernel&, pid_t)>;

    void tell(pid_t tid, event::Payload payload);
    void start_call(Thread& thread);
    void run_step(Thread& thread);
    void call_clone(Thread& thread);
    void call_rseq(Thread& thread);
    void call_prctl(Thread& thread);
    void call_execve(Thread& thread);
    void begin_exit(Thread& thread);
    void kill_others(const Thread& thread);
    void move_process();
    std::optional<pid_t> free_number();
    std::string some_cgroup();
    bool others_are_gone(pid_t tid);
    void take_number_of_group(pid_t tid);
    [[nodiscard]] Policy policy_of(const std::string& cgroup) const;
    [[nodiscard]] snapshot::Process shown(const Process& process) const;
    [[nodiscard]] snapshot::Thread shown(const Thread& thread) const;
    std::optional<snapshot::Process> read(pid_t pid, bool steps_between);

    Traits traits_;
    std::mt19937_64 random_;
    std::uint64_t now_ = 100 * tick_ns;
    std::uint64_t incarnations_ = 0;
    bool calls_start_ = true;
    std::map<pid_t, Thread> threads_; ///< zombie leaders, too
    std::map<pid_t, Process> processes_;
};

} // namespace rseq::registry
