// SPDX-License-Identifier: GPL-2.0-or-later
// The prober may stop a thread for microseconds. These are the things that must survive it.
#include "live/zoo_process.h"
#include "ptrace/prober.h"
#include "ptrace/thread_status.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/futex.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <ctime>
#include <functional>
#include <string>

namespace rseq::test {
namespace {

using namespace std::chrono_literals;

/// Seen by this process and its children alike.
struct Shared {
    std::atomic<int> error{-1};
    std::atomic<int> signals{0};
    std::atomic<int> received{0};
    std::atomic<std::uint32_t> futex{0};
};

class Prober : public testing::Test {
protected:
    Prober() : shared_(*new (map()) Shared) {}
    ~Prober() override { munmap(&shared_, sizeof(Shared)); }

    void SetUp() override {
        if (geteuid() != 0) {
            GTEST_SKIP() << "SKIPPED: needs root";
        }
    }

    static void* map() {
        return mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
                    0);
    }

    /// Runs `sleep` in a child, probes it many times, has it woken with `wake`, and returns the
    /// errno that `sleep` ended with.
    int error_of_probed_sleep(const std::function<int()>& sleep,
                              const std::function<void()>& wake) {
        Child child([&] {
            errno = 0;
            shared_.error = sleep() < 0 ? errno : 0;
            return 0;
        });
        EXPECT_TRUE(eventually([&] { return thread_state(child.pid()) == 'S'; }));
        const auto end = std::chrono::steady_clock::now() + 300ms;
        for (int i = 0; i < 200 && std::chrono::steady_clock::now() < end; ++i) {
            const auto answer = ptrace::probe_thread(child.pid(), 10s);
            EXPECT_TRUE(answer) << answer.error().message();
        }
        EXPECT_EQ(shared_.error, -1) << "the sleep is over before it was woken";
        wake();
        EXPECT_EQ(child.wait(), 0);
        return shared_.error;
    }

    Shared& shared_;
};

TEST_F(Prober, LeavesAStoppedProcessStopped) {
    auto zoo = start_zoo("zoo", "libc", 4);
    ASSERT_TRUE(zoo);
    kill(zoo->child.pid(), SIGSTOP);
    ASSERT_EQ(waitpid(zoo->child.pid(), nullptr, WUNTRACED), zoo->child.pid());
    for (int round = 0; round < 20; ++round) {
        for (const auto& [tid, length] : zoo->threads) {
            const auto answer = ptrace::probe_thread(tid, 10s);
            ASSERT_TRUE(answer) << answer.error().message();
            EXPECT_TRUE(answer->registered);
            ASSERT_TRUE(eventually([tid = tid] { return thread_state(tid) == 'T'; }))
                << "thread " << tid << " is " << thread_state(tid);
        }
    }
    // Its parent, this process, hears nothing of it, and of the continuation what it should.
    EXPECT_EQ(waitpid(zoo->child.pid(), nullptr, WUNTRACED | WNOHANG), 0);
    kill(zoo->child.pid(), SIGCONT);
    int status = 0;
    ASSERT_EQ(waitpid(zoo->child.pid(), &status, WCONTINUED), zoo->child.pid());
    EXPECT_TRUE(WIFCONTINUED(status));
    for (const auto& [tid, length] : zoo->threads) {
        EXPECT_TRUE(eventually([tid = tid] { return thread_state(tid) == 'S'; }));
    }
}

TEST_F(Prober, DoesNotInterruptNanosleep) {
    EXPECT_EQ(error_of_probed_sleep(
                  [] {
                      const timespec time{.tv_sec = 1, .tv_nsec = 0};
                      return nanosleep(&time, nullptr);
                  },
                  [] {}),
              0);
}

TEST_F(Prober, DoesNotInterruptAFutexWait) {
    auto* word = reinterpret_cast<std::uint32_t*>(&shared_.futex);
    EXPECT_EQ(error_of_probed_sleep(
                  [&] {
                      return static_cast<int>(
                          syscall(SYS_futex, word, FUTEX_WAIT, 0, nullptr, nullptr, 0));
                  },
                  // The thread may not have gone back to its wait yet, and a wake-up without a
                  // waiter is lost.
                  [&] {
                      EXPECT_TRUE(eventually([&] {
                          return syscall(SYS_futex, word, FUTEX_WAKE, 1, nullptr, nullptr, 0) == 1;
                      }));
                  }),
              0);
}

TEST_F(Prober, DoesNotInterruptARead) {
    std::array<int, 2> ends{};
    ASSERT_EQ(pipe(ends.data()), 0);
    EXPECT_EQ(error_of_probed_sleep(
                  [&] {
                      char byte = 0;
                      return static_cast<int>(read(ends[0], &byte, 1));
                  },
                  [&] { EXPECT_EQ(write(ends[1], "x", 1), 1); }),
              0);
    close(ends[0]);
    close(ends[1]);
}

TEST_F(Prober, LeavesABlockedSignalPending) {
    Child child([] {
        sigset_t set;
        sigfillset(&set);
        sigprocmask(SIG_BLOCK, &set, nullptr);
        for (;;) {
            pause();
        }
        return 0;
    });
    ASSERT_TRUE(eventually([&] {
        return status_value(child.pid(), "SigBlk") != "0000000000000000" &&
               thread_state(child.pid()) == 'S';
    }));
    kill(child.pid(), SIGUSR1);
    kill(child.pid(), SIGTERM);
    const std::string pending = status_value(child.pid(), "ShdPnd");
    EXPECT_NE(pending, "0000000000000000");
    for (int i = 0; i < 50; ++i) {
        const auto answer = ptrace::probe_thread(child.pid(), 10s);
        ASSERT_TRUE(answer) << answer.error().message();
    }
    EXPECT_EQ(status_value(child.pid(), "ShdPnd"), pending);
}

/// A child that counts real-time signals, which queue: each one that was sent must arrive.
Child start_counter(Shared& shared) {
    return Child([&shared] {
        static Shared* counts = &shared;
        struct sigaction action {};
        action.sa_handler = [](int) {
            counts->received.fetch_add(1);
        };
        sigaction(SIGRTMIN, &action, nullptr);
        shared.signals = 1;
        for (;;) {
            pause();
        }
        return 0;
    });
}

TEST_F(Prober, LosesNoSignalThatArrivesWhileItProbes) {
    Child child = start_counter(shared_);
    ASSERT_TRUE(eventually([&] { return shared_.signals == 1; }));
    std::atomic<bool> done{false};
    constexpr int sent = 3000;
    std::thread sender([&] {
        for (int i = 0; i < sent; ++i) {
            while (kill(child.pid(), SIGRTMIN) != 0) {
            }
            if (i % 10 == 0) {
                std::this_thread::yield();
            }
        }
        done = true;
    });
    int probes = 0;
    for (; !done || probes < 100; ++probes) {
        const auto answer = ptrace::probe_thread(child.pid(), 10s);
        EXPECT_TRUE(answer) << answer.error().message();
    }
    sender.join();
    EXPECT_TRUE(eventually([&] { return shared_.received == sent; })) << shared_.received;
}

TEST_F(Prober, RefusesAProcessThatIsTraced) {
    auto zoo = start_zoo("zoo", "libc", 3);
    ASSERT_TRUE(zoo);
    const pid_t traced = zoo->threads.rbegin()->first;
    ASSERT_EQ(::ptrace(PTRACE_SEIZE, traced, nullptr, nullptr), 0);
    const auto one = ptrace::probe_thread(traced);
    ASSERT_FALSE(one);
    EXPECT_EQ(one.error().code, EBUSY);
    EXPECT_NE(one.error().context.find(std::to_string(getpid())), std::string::npos);
    // A process with one traced thread is left alone altogether.
    const auto all = ptrace::probe_process(zoo->child.pid());
    ASSERT_FALSE(all);
    EXPECT_EQ(all.error().code, EBUSY);
    // Otherwise its end would wait for this process to collect it.
    ASSERT_EQ(::ptrace(PTRACE_INTERRUPT, traced, nullptr, nullptr), 0);
    ASSERT_EQ(waitpid(traced, nullptr, __WALL), traced);
    ASSERT_EQ(::ptrace(PTRACE_DETACH, traced, nullptr, nullptr), 0);
}

TEST_F(Prober, RefusesItsOwnProcess) {
    const auto self = ptrace::probe_thread(getpid());
    ASSERT_FALSE(self);
    EXPECT_EQ(self.error().code, EPERM);
}

TEST_F(Prober, SaysThatAThreadIsGone) {
    for (const pid_t tid : {0, -1, INT_MIN, INT_MAX}) {
        const auto answer = ptrace::probe_thread(tid, 10s);
        ASSERT_FALSE(answer) << tid;
        EXPECT_EQ(answer.error().code, ESRCH) << tid;
    }
    Child child([] { return 0; });
    ASSERT_TRUE(eventually([&] { return thread_state(child.pid()) == 'Z'; }));
    const auto zombie = ptrace::probe_thread(child.pid(), 10s);
    ASSERT_FALSE(zombie);
    EXPECT_EQ(zombie.error().code, ESRCH);
    const auto process = ptrace::probe_process(child.pid(), 10s);
    ASSERT_FALSE(process);
    EXPECT_EQ(process.error().code, ESRCH);
}

TEST_F(Prober, RefusesAKernelThread) {
    const auto kthreadd = ptrace::probe_thread(2);
    if (status_value(2, "Name") != "kthreadd") {
        GTEST_SKIP() << "SKIPPED: thread 2 is not kthreadd here";
    }
    ASSERT_FALSE(kthreadd);
    EXPECT_EQ(kthreadd.error().code, EPERM);
}

// The parent of a vfork sleeps uninterruptibly for as long as the child wants.
TEST_F(Prober, GivesUpOnAThreadThatDoesNotStop) {
    Child child([] {
        if (vfork() == 0) {
            for (;;) {
                pause();
            }
        }
        return 0;
    });
    ASSERT_TRUE(eventually([&] { return thread_state(child.pid()) == 'D'; }));
    const auto begin = std::chrono::steady_clock::now();
    const auto answer = ptrace::probe_thread(child.pid(), 50ms);
    ASSERT_FALSE(answer);
    EXPECT_EQ(answer.error().code, ETIMEDOUT);
    EXPECT_LT(std::chrono::steady_clock::now() - begin, 2s);
    // And lets go of it, as soon as the kernel has seen the end of the tracing thread.
    EXPECT_TRUE(eventually([&] { return status_value(child.pid(), "TracerPid") == "0"; }));
    kill(-child.pid(), SIGKILL);
}

TEST_F(Prober, SurvivesThreadsThatEndWhileTheyAreProbed) {
    Child child([] {
        for (;;) {
            std::array<std::thread, 4> threads;
            for (auto& thread : threads) {
                thread = std::thread([] { sched_yield(); });
            }
            for (auto& thread : threads) {
                thread.join();
            }
        }
        return 0;
    });
    for (int i = 0; i < 300; ++i) {
        const auto threads = ptrace::probe_process(child.pid(), 10s);
        ASSERT_TRUE(threads) << threads.error().message();
        for (const auto& [tid, answer] : *threads) {
            EXPECT_TRUE(answer) << answer.error().message();
        }
    }
}

/// The end of a prober, at another moment in each round.
void kill_in_round(Child& prober, int round) {
    static constexpr std::array<int, 3> killers{SIGKILL, SIGTERM, SIGINT};
    kill(prober.pid(), killers[static_cast<std::size_t>(round) % killers.size()]);
    EXPECT_TRUE(WIFSIGNALED(prober.wait()));
}

// Whoever kills the program that probes, and at whatever moment: no thread stays behind stopped or
// traced.
TEST_F(Prober, LetsEveryThreadGoWhenItIsKilled) {
    auto zoo = start_zoo("zoo", "libc", 16);
    ASSERT_TRUE(zoo);
    for (int round = 0; round < 150; ++round) {
        Child prober([&] {
            for (;;) {
                static_cast<void>(ptrace::probe_process(zoo->child.pid()));
            }
            return 0;
        });
        std::this_thread::sleep_for(std::chrono::microseconds(round * 37));
        kill_in_round(prober, round);
        for (const auto& [tid, length] : zoo->threads) {
            ASSERT_TRUE(eventually([tid = tid] {
                return thread_state(tid) == 'S' && status_value(tid, "TracerPid") == "0";
            })) << "thread "
                << tid << " is " << thread_state(tid) << " after round " << round;
        }
    }
}

// The same for the signals of the thread: one that the prober was told of and had no time to pass
// on still arrives.
TEST_F(Prober, LosesNoSignalWhenItIsKilled) {
    Child counter = start_counter(shared_);
    ASSERT_TRUE(eventually([&] { return shared_.signals == 1; }));
    int sent = 0;
    for (int round = 0; round < 300; ++round) {
        Child prober([&] {
            for (;;) {
                static_cast<void>(ptrace::probe_thread(counter.pid()));
            }
            return 0;
        });
        const auto end =
            std::chrono::steady_clock::now() + std::chrono::microseconds(500 + round * 7);
        while (std::chrono::steady_clock::now() < end) {
            sent += kill(counter.pid(), SIGRTMIN) == 0 ? 1 : 0;
        }
        kill_in_round(prober, round);
        ASSERT_TRUE(eventually([&] { return shared_.received == sent; }))
            << shared_.received << " of " << sent << " in round " << round;
    }
}

} // namespace
} // namespace rseq::test
