// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/bench_run.h"

#include "core/types.h"
#include "verify/kernel.h"

#include <sched.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <ctime>

namespace rseq::cli {

namespace {

constexpr unsigned switches = 4000; ///< round trips, of two context switches each
constexpr unsigned calls = 40000;
constexpr unsigned signals = 8000;

/// What one child measured, or the errno of what failed.
struct Measured {
    std::array<double, bench_operations.size()> ns{};
    int error = 0;
};

double now_ns() {
    timespec time{};
    ::clock_gettime(CLOCK_MONOTONIC, &time);
    constexpr double ns_per_second = 1e9;
    return static_cast<double>(time.tv_sec) * ns_per_second + static_cast<double>(time.tv_nsec);
}

template <class Operation>
double measure(unsigned count, Operation operation) {
    const double start = now_ns();
    for (unsigned i = 0; i < count; ++i) {
        operation();
    }
    return (now_ns() - start) / count;
}

extern "C" void ignore_signal(int /*number*/) {}

double measure_signals() {
    struct sigaction action {};
    action.sa_handler = ignore_signal;
    ::sigaction(SIGUSR2, &action, nullptr);
    const pid_t pid = ::getpid();
    const auto tid = static_cast<pid_t>(::syscall(SYS_gettid));
    return measure(signals, [&] { ::syscall(SYS_tgkill, pid, tid, SIGUSR2); });
}

/// A byte there and back between this thread and a child, which fork(2) gives the same registration
/// and the same processor: two context switches.
double measure_switches(int& error) {
    std::array<int, 2> there{};
    std::array<int, 2> back{};
    if (::pipe(there.data()) != 0 || ::pipe(back.data()) != 0) {
        error = errno;
        return 0;
    }
    const auto child = static_cast<pid_t>(::syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0));
    char byte = 0;
    if (child == 0) {
        ::close(there[1]);
        ::close(back[0]);
        while (::read(there[0], &byte, 1) == 1 && ::write(back[1], &byte, 1) == 1) {
        }
        ::syscall(SYS_exit_group, 0);
    }
    error = child < 0 ? errno : 0;
    double ns = 0;
    if (error == 0) {
        ns = measure(switches, [&] {
            if (::write(there[1], &byte, 1) != 1 || ::read(back[0], &byte, 1) != 1) {
                error = EIO;
            }
        });
    }
    for (const int fd : {there[0], there[1], back[0], back[1]}) {
        ::close(fd);
    }
    if (child > 0) {
        ::waitpid(child, nullptr, __WALL);
    }
    constexpr double switches_of_one = 2;
    return ns / switches_of_one;
}

Measured measure_registered(verify::Kernel& kernel, std::uint32_t length) {
    Measured measured;
    const auto ending = verify::run<Measured>(
        kernel, measured, [length](verify::Subject& subject, Measured& result) {
            result.error = subject.pin();
            if (result.error == 0 && length != 0) {
                result.error = subject.register_area(length);
            }
            if (result.error == 0) {
                result.ns[0] = measure_switches(result.error);
                result.ns[1] = measure(calls, [] { ::syscall(SYS_getppid); });
                result.ns[2] = measure_signals();
            }
        });
    measured.error = ending.finished() ? measured.error : ECHILD;
    return measured;
}

} // namespace

Result<BenchSamples> run_bench(const KernelFacts& facts, std::size_t rounds) {
    const std::array<std::uint32_t, bench_registrations.size()> lengths{
        0, original_length,
        facts.kernel_class == KernelClass::dual ? std::max(facts.feature_size, original_length + 1)
                                                : 0};
    BenchSamples samples;
    samples.cpu = ::sched_getcpu();
    samples.rounds = rounds;
    cpu_set_t before;
    CPU_ZERO(&before);
    ::sched_getaffinity(0, sizeof(before), &before);
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(static_cast<std::size_t>(samples.cpu), &one);
    ::sched_setaffinity(0, sizeof(one), &one); // children inherit it
    // A slow machine may take its time.
    const auto kernel = verify::running_kernel(std::chrono::minutes(1));
    int error = 0;
    for (std::size_t round = 0; round <= rounds && error == 0; ++round) {
        for (std::size_t turn = 0; turn < lengths.size() && error == 0; ++turn) {
            // Another one is first in each round.
            const std::size_t which = (turn + round) % lengths.size();
            if (which == 2 && lengths[which] == 0) {
                continue; // no v2 here
            }
            const Measured measured = measure_registered(*kernel, lengths[which]);
            error = measured.error;
            for (std::size_t i = 0; i < measured.ns.size() && round > 0; ++i) { // 0 warms up
                samples.ns[i][which].push_back(measured.ns[i]);
            }
        }
    }
    ::sched_setaffinity(0, sizeof(before), &before);
    if (error != 0) {
        return fail(error, "cannot measure");
    }
    return samples;
}

} // namespace rseq::cli
