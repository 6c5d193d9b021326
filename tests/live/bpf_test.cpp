// SPDX-License-Identifier: GPL-2.0-or-later
// What the task iterator says of threads besides their registration, and when it cannot run.
#include "bpf/task_iterator.h"
#include "live/zoo_process.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <string>

namespace rseq::test {
namespace {

class TaskIterator : public testing::Test {
protected:
    void SetUp() override {
        if (geteuid() != 0) {
            GTEST_SKIP() << "SKIPPED: needs root";
        }
        auto loaded = bpf::TaskIterator::load();
        if (!loaded && loaded.error().code == ENOTSUP) {
            GTEST_SKIP() << "SKIPPED: " << loaded.error().message();
        }
        ASSERT_TRUE(loaded) << loaded.error().message();
        iterator_.emplace(std::move(*loaded));
    }

    std::vector<ThreadObservation> snapshot() {
        auto threads = iterator_->snapshot();
        if (!threads) {
            ADD_FAILURE() << threads.error().message();
            return {};
        }
        return std::move(*threads);
    }

    std::optional<ThreadObservation> find(pid_t tid) {
        const auto threads = snapshot();
        const auto thread = std::find_if(threads.begin(), threads.end(),
                                         [tid](const auto& seen) { return seen.tid == tid; });
        return thread == threads.end() ? std::nullopt : std::optional(*thread);
    }

    std::optional<bpf::TaskIterator> iterator_;
};

std::string name_of(pid_t tid) {
    std::ifstream file("/proc/" + std::to_string(tid) + "/comm");
    std::string name{std::istreambuf_iterator<char>(file), {}};
    return name.empty() ? name : name.substr(0, name.size() - 1);
}

TEST_F(TaskIterator, TellsTheSameNamesGroupsAndStartsAsProc) {
    auto zoo = start_zoo("zoo", "libc", 12);
    ASSERT_TRUE(zoo);
    for (const auto& [tid, length] : zoo->threads) {
        const auto thread = find(tid);
        ASSERT_TRUE(thread);
        EXPECT_EQ(thread->tgid, zoo->child.pid());
        EXPECT_EQ(thread->comm, name_of(tid));
        EXPECT_EQ(thread->leader_start_ticks, stat_field(zoo->child.pid(), 22));
        EXPECT_FALSE(thread->kernel_thread);
    }
}

TEST_F(TaskIterator, SeesEveryProcessThatProcHas) {
    std::size_t seen = 0;
    const auto threads = snapshot();
    for (const ThreadObservation& thread : threads) {
        const auto start = stat_field(thread.tgid, 22);
        if (thread.tid != thread.tgid || start == 0) {
            continue; // or it is gone by now
        }
        EXPECT_EQ(thread.leader_start_ticks, start) << thread.comm;
        ++seen;
    }
    EXPECT_GT(seen, 1U);
    EXPECT_TRUE(std::any_of(threads.begin(), threads.end(),
                            [](const auto& thread) { return thread.tid == getpid(); }));
}

TEST_F(TaskIterator, MarksKernelThreads) {
    if (name_of(2) != "kthreadd") {
        GTEST_SKIP() << "SKIPPED: thread 2 is not kthreadd here";
    }
    const auto kthreadd = find(2);
    ASSERT_TRUE(kthreadd);
    EXPECT_TRUE(kthreadd->kernel_thread);
    ASSERT_TRUE(kthreadd->registration);
    EXPECT_FALSE(kthreadd->registration->registered);
    const auto self = find(getpid());
    ASSERT_TRUE(self);
    EXPECT_FALSE(self->kernel_thread);
}

TEST_F(TaskIterator, NamesTheCgroupByTheInodeOfItsDirectory) {
    std::string root;
    for (const char* candidate : {"/sys/fs/cgroup", "/sys/fs/cgroup/unified"}) {
        if (access((std::string(candidate) + "/cgroup.procs").c_str(), F_OK) == 0) {
            root = candidate;
            break;
        }
    }
    const std::string directory = root + "/rseq-compat-test-" + std::to_string(getpid());
    if (root.empty() || mkdir(directory.c_str(), 0755) != 0) {
        GTEST_SKIP() << "SKIPPED: no cgroup v2 hierarchy that can be written";
    }
    struct stat info {};
    ASSERT_EQ(stat(directory.c_str(), &info), 0);
    {
        auto zoo = start_zoo("zoo", "libc", 2);
        std::ofstream(directory + "/cgroup.procs") << zoo->child.pid() << std::flush;
        for (const auto& [tid, length] : zoo->threads) {
            const auto thread = find(tid);
            ASSERT_TRUE(thread);
            EXPECT_EQ(thread->cgroup_id, info.st_ino);
        }
    }
    EXPECT_TRUE(eventually([&] { return rmdir(directory.c_str()) == 0; }));
}

TEST_F(TaskIterator, LeavesThreadsOutThatHaveEnded) {
    Child child([] { return 0; });
    ASSERT_TRUE(eventually([&] { return thread_state(child.pid()) == 'Z'; }));
    EXPECT_FALSE(find(child.pid()));
}

TEST_F(TaskIterator, SeesARegistrationComeAndGoInOneProgram) {
    EXPECT_GT(snapshot().size(), 0U);
    auto zoo = start_zoo("zoo", "original", 3);
    ASSERT_TRUE(zoo);
    const auto there = find(zoo->child.pid());
    ASSERT_TRUE(there && there->registration);
    EXPECT_EQ(there->registration->length, original_length);
    kill(zoo->child.pid(), SIGKILL);
    EXPECT_TRUE(eventually([&] { return !find(zoo->child.pid()); }));
}

// One read(2) returns some 680 records; the rest has to come with the next ones.
TEST_F(TaskIterator, SeesThousandsOfThreadsOnceEach) {
    auto first = start_zoo("zoo", "libc", 2000);
    auto second = start_zoo("zoo", "none", 2000);
    ASSERT_TRUE(first && second);
    std::map<pid_t, int> seen;
    for (const ThreadObservation& thread : snapshot()) {
        ++seen[thread.tid];
    }
    for (const auto& zoo : {&*first, &*second}) {
        for (const auto& [tid, length] : zoo->threads) {
            ASSERT_EQ(seen[tid], 1) << tid;
        }
    }
}

// The numbers are those that the reader's own /proc has, at any depth.
TEST_F(TaskIterator, TellsTheNumbersOfItsOwnPidNamespace) {
    Child outer([] {
        if (unshare(CLONE_NEWPID) != 0) {
            return 77;
        }
        const pid_t init = fork();
        if (init != 0) {
            int status = 0;
            waitpid(init, &status, 0);
            return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
        }
        std::atomic<pid_t> other{0};
        std::atomic<bool> done{false};
        std::thread thread([&] {
            other = gettid();
            while (!done) {
                std::this_thread::yield();
            }
        });
        while (other == 0) {
            std::this_thread::yield();
        }
        auto iterator = bpf::TaskIterator::load();
        const auto threads =
            iterator ? iterator->snapshot()
                     : Result<std::vector<ThreadObservation>>(tl::unexpected(iterator.error()));
        int wrong = 0;
        if (!threads) {
            std::printf("%s\n", threads.error().message().c_str());
            wrong = 1;
        } else {
            wrong += threads->size() == 2 ? 0 : 2;
            for (const auto& seen : *threads) {
                wrong += seen.tgid == 1 && (seen.tid == 1 || seen.tid == other) ? 0 : 4;
            }
        }
        std::fflush(stdout);
        done = true;
        thread.join();
        return wrong;
    });
    const auto line = outer.read_line();
    const int status = outer.wait();
    ASSERT_TRUE(WIFEXITED(status));
    if (WEXITSTATUS(status) == 77) {
        GTEST_SKIP() << "SKIPPED: no pid namespaces here";
    }
    EXPECT_EQ(WEXITSTATUS(status), 0) << line.value_or("");
}

TEST_F(TaskIterator, LoadsWithoutStandardInputAndOutput) {
    Child child([] {
        close(0);
        close(1);
        auto iterator = bpf::TaskIterator::load();
        auto again = bpf::TaskIterator::load();
        return iterator && again && iterator->snapshot() && again->snapshot() ? 0 : 1;
    });
    EXPECT_EQ(child.wait(), 0);
}

TEST_F(TaskIterator, HoldsOneDescriptorAndGivesItBack) {
    const auto next_free = [] {
        const int fd = dup(2);
        close(fd);
        return fd;
    };
    const int before = next_free();
    {
        auto another = bpf::TaskIterator::load();
        ASSERT_TRUE(another);
        ASSERT_TRUE(another->snapshot());
        EXPECT_EQ(next_free(), before + 1);
    }
    EXPECT_EQ(next_free(), before);
}

TEST(TaskIteratorWithoutRoot, SaysWhatItNeeds) {
    Child child([] {
        if (geteuid() == 0 && (setgid(65534) != 0 || setuid(65534) != 0)) {
            return 2;
        }
        const auto iterator = bpf::TaskIterator::load();
        const bool told = !iterator && iterator.error().code == EPERM &&
                          iterator.error().message().find("CAP_BPF") != std::string::npos;
        return told ? 0 : 1;
    });
    const int status = child.wait();
    ASSERT_TRUE(WIFEXITED(status));
    EXPECT_EQ(WEXITSTATUS(status), 0);
}

TEST_F(TaskIterator, FailsCleanlyWithoutDescriptors) {
    Child child([] {
        const rlimit none{.rlim_cur = 3, .rlim_max = 3};
        setrlimit(RLIMIT_NOFILE, &none);
        const auto iterator = bpf::TaskIterator::load();
        return !iterator && iterator.error().code == EMFILE ? 0 : 1;
    });
    EXPECT_EQ(child.wait(), 0);
}

} // namespace
} // namespace rseq::test
