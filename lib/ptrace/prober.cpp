// SPDX-License-Identifier: GPL-2.0-or-later
#include "ptrace/prober.h"

#include "core/parse.h"
#include "ptrace/thread_status.h"

#include <linux/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <filesystem>
#include <future>
#include <string>
#include <system_error>
#include <thread>
#include <utility>

namespace rseq::ptrace {
namespace {

using Clock = std::chrono::steady_clock;

std::string named(pid_t tid) {
    return "thread " + std::to_string(tid);
}

/// ptrace(2) without libc's wrapper, whose header cannot be included beside the kernel's.
long request(std::uint32_t what, pid_t tid, std::uintptr_t address, std::uintptr_t data) {
    return syscall(SYS_ptrace, what, tid, address, data);
}

/// Holds back all signals of the calling thread while it lives.
class SignalsHeld {
public:
    SignalsHeld() {
        sigset_t all;
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &previous_);
    }
    SignalsHeld(const SignalsHeld&) = delete;
    SignalsHeld& operator=(const SignalsHeld&) = delete;
    SignalsHeld(SignalsHeld&&) = delete;
    SignalsHeld& operator=(SignalsHeld&&) = delete;
    ~SignalsHeld() { pthread_sigmask(SIG_SETMASK, &previous_, nullptr); }

private:
    sigset_t previous_{};
};

/// Waits for the thread to stop and returns the signal that it is to be let go with, 0 for none.
Result<int> wait_for_stop(pid_t tid, Clock::time_point deadline) {
    // A stop takes as long as an interrupt of another processor; yielding is enough for most.
    constexpr int yields = 20;
    constexpr std::chrono::microseconds longest_pause{2000};
    std::chrono::microseconds pause{20};

    for (int attempt = 0;; ++attempt) {
        siginfo_t info{};
        // WNOWAIT: the state stays as it is. Were a signal that the thread reports taken here and
        // this process killed before letting go, the signal would be lost.
        if (waitid(P_PID, static_cast<id_t>(tid), &info,
                   WSTOPPED | WEXITED | WNOHANG | WNOWAIT | __WALL) != 0) {
            return fail(ESRCH, named(tid) + " ended while it was probed");
        }
        if (info.si_pid == tid) {
            if (info.si_code != CLD_TRAPPED) {
                return fail(ESRCH, named(tid) + " ended while it was probed");
            }
            // Either our own stop, or one before the delivery of a signal, which is then passed on.
            const bool ours = (info.si_status >> 8) == PTRACE_EVENT_STOP;
            return ours ? 0 : info.si_status & 0x7f;
        }
        if (Clock::now() >= deadline) {
            return fail(ETIMEDOUT,
                        named(tid) + " did not stop, it may be in an uninterruptible sleep");
        }
        if (attempt < yields) {
            std::this_thread::yield();
        } else {
            std::this_thread::sleep_for(pause);
            pause = std::min(pause * 2, longest_pause);
        }
    }
}

/// What PTRACE_SEIZE's EPERM means, which has many reasons.
tl::unexpected<Error> refusal(pid_t tid) {
    const auto status = read_thread_status(tid);
    if (!status) {
        return fail(status.error().code, status.error().context);
    }
    if (status->has_ended()) {
        return fail(ESRCH, named(tid) + " has ended");
    }
    if (status->tracer != 0) {
        return fail(EBUSY, named(tid) + " is traced by process " + std::to_string(status->tracer));
    }
    return fail(EPERM, named(tid) + " may not be traced");
}

/// The work of the tracing thread. Its end makes the kernel let go of whatever it still holds; a
/// thread that has not stopped cannot be let go in any other way.
Result<Registration> trace(pid_t tid, Clock::time_point deadline) {
    if (request(PTRACE_SEIZE, tid, 0, 0) != 0) {
        return errno == EPERM ? refusal(tid) : fail_errno("cannot seize " + named(tid));
    }
    // Seizing waits while the thread is in execve(2), and may have outlived the caller's patience.
    if (Clock::now() >= deadline) {
        return fail(ETIMEDOUT, named(tid) + " could not be seized in time");
    }
    if (request(PTRACE_INTERRUPT, tid, 0, 0) != 0) {
        return fail_errno("cannot stop " + named(tid));
    }
    return wait_for_stop(tid, deadline).and_then([tid](int signal) -> Result<Registration> {
        ptrace_rseq_configuration answer{};
        const long size = request(PTRACE_GET_RSEQ_CONFIGURATION, tid, sizeof(answer),
                                  reinterpret_cast<std::uintptr_t>(&answer));
        const int error = errno;
        // It fails only if the thread was killed.
        static_cast<void>(request(PTRACE_DETACH, tid, 0, static_cast<std::uintptr_t>(signal)));
        if (size < 0) {
            const bool unsupported = error == EIO || error == EINVAL;
            return fail(unsupported ? ENOTSUP : error,
                        "cannot ask the kernel for the registration of " + named(tid));
        }
        const bool registered = answer.rseq_abi_pointer != 0;
        return Registration{.registered = registered,
                            // Some kernels tell their own length where nothing is registered.
                            .length = registered ? answer.rseq_abi_size : 0,
                            .version = std::nullopt,
                            .slice = registered ? SliceState::unknown : SliceState::unavailable};
    });
}

/// Refuses what must not be touched. The kernel refuses most of it too, but tells no reason.
Result<void> check_allowed(pid_t tid) {
    if (tid <= 0) {
        return fail(ESRCH, "there is no " + named(tid));
    }
    const auto status = read_thread_status(tid);
    if (!status) {
        return tl::unexpected(status.error());
    }
    if (status->tgid == getpid()) {
        return fail(EPERM, named(tid) + " belongs to the process that asks");
    }
    if (status->has_ended() || status->tracer != 0) {
        return refusal(tid);
    }
    if (status->tgid != tid) {
        const auto leader = read_thread_status(status->tgid);
        if (leader && leader->tracer != 0) {
            return refusal(status->tgid);
        }
    }
    return {};
}

Result<std::vector<pid_t>> list_threads(pid_t pid) {
    const std::string path = "/proc/" + std::to_string(pid) + "/task";
    std::vector<pid_t> tids;
    std::error_code error;
    for (std::filesystem::directory_iterator entry(path, error), end; !error && entry != end;
         entry.increment(error)) {
        if (const auto tid = parse_number<pid_t>(entry->path().filename().native())) {
            tids.push_back(*tid);
        }
    }
    if (tids.empty()) {
        const int code = error.value() == 0 || error.value() == ENOENT ? ESRCH : error.value();
        return fail(code, "there is no process " + std::to_string(pid));
    }
    std::sort(tids.begin(), tids.end());
    return tids;
}

} // namespace

Result<Registration> probe_thread(pid_t tid, std::chrono::milliseconds limit) {
    if (auto allowed = check_allowed(tid); !allowed) {
        return tl::unexpected(allowed.error());
    }
    const SignalsHeld held;
    const auto deadline = Clock::now() + limit;
    std::promise<Result<Registration>> promise;
    auto answer = promise.get_future();
    std::thread tracer;
    try {
        tracer = std::thread([tid, deadline, promise = std::move(promise)]() mutable {
            promise.set_value_at_thread_exit(trace(tid, deadline));
        });
    } catch (const std::system_error& error) {
        return fail(error.code().value(), "cannot start a thread to trace " + named(tid));
    }
    // The tracing thread keeps the limit itself unless it is stuck in PTRACE_SEIZE. Then it is left
    // to end on its own: it touches nothing any more once the limit is over.
    if (answer.wait_until(deadline + limit) != std::future_status::ready) {
        tracer.detach();
        return fail(ETIMEDOUT, named(tid) + " could not be seized in time, it may be in execve");
    }
    tracer.join();
    return answer.get();
}

Result<std::vector<ProbedThread>> probe_process(pid_t pid, std::chrono::milliseconds limit) {
    const auto tids = list_threads(pid);
    if (!tids) {
        return tl::unexpected(tids.error());
    }
    for (const pid_t tid : *tids) {
        const auto status = read_thread_status(tid);
        if (status && status->tracer != 0) {
            return refusal(tid);
        }
    }
    std::vector<ProbedThread> threads;
    for (const pid_t tid : *tids) {
        auto answer = probe_thread(tid, limit);
        if (answer || answer.error().code != ESRCH) {
            threads.push_back({tid, std::move(answer)});
        }
    }
    if (threads.empty()) {
        return fail(ESRCH, "process " + std::to_string(pid) + " has ended");
    }
    return threads;
}

} // namespace rseq::ptrace
