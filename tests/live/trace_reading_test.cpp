// SPDX-License-Identifier: GPL-2.0-or-later
// That all is read, or counted, by one who sleeps in between.
#include "live/trace_fixture.h"
#include "live/zoo_process.h"

#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <sstream>
#include <string>
#include <vector>

namespace rseq::test {
namespace {

// What was overwritten and what was read is all that there was, by the kernel's own counters.
TEST_F(TraceTest, TinyBuffersLoseEventsAndEveryOneIsCounted) {
    options_.instance.buffer_kib = 0; // the least
    options_.batch = 50;
    open();
    EXPECT_LT(reader_->instance().buffer_kib(), 1024U);
    Child parent([] {
        for (int i = 0; i < 1000; ++i) {
            const pid_t pid = fork();
            if (pid == 0) {
                _exit(0);
            }
            ::waitpid(pid, nullptr, 0);
        }
        return 0;
    });
    for (int i = 0; i < 3; ++i) { // it is read now and then, and too slowly
        readable(-1);
        drain();
    }
    EXPECT_EQ(parent.wait(), 0);
    ASSERT_TRUE(write_to(instance_ + "/tracing_on", "0"));
    ASSERT_TRUE(listen_until([&] { return !readable(0) && !reader_->pending(); }));
    EXPECT_GT(lost_, 0U);
    std::uint64_t lost = 0;
    std::uint64_t read = 0;
    for (const auto& cpu : std::filesystem::directory_iterator(instance_ + "/per_cpu")) {
        std::istringstream stats(content(cpu.path() / "stats"));
        for (std::string line; std::getline(stats, line);) {
            const auto value = std::strtoull(line.c_str() + line.find(':') + 1, nullptr, 10);
            read += line.starts_with("read events:") ? value : 0;
            lost += line.starts_with("overrun:") || line.starts_with("commit overrun:") ||
                            line.starts_with("dropped events:")
                        ? value
                        : 0;
        }
    }
    const trace::Counters& counters = reader_->counters();
    EXPECT_EQ(counters.lost, lost);
    EXPECT_EQ(counters.lost, lost_);
    EXPECT_EQ(counters.events, events_.size());
    EXPECT_EQ(counters.malformed, 0U);
    EXPECT_EQ(counters.events + counters.ignored, read);
}

TEST_F(TraceTest, WhoWaitsSleepsWhileNothingHappensAndAfterEverythingIsRead) {
    open();
    ASSERT_TRUE(write_to(instance_ + "/set_event_pid", std::to_string(getpid())));
    ASSERT_TRUE(listen_until([&] { return !readable(0) && !reader_->pending(); }));
    EXPECT_FALSE(readable(300)) << "nothing that it is asked to see has happened";
    ASSERT_TRUE(write_to("/proc/self/comm", "renamed"));
    EXPECT_TRUE(readable(10'000));
    EXPECT_TRUE(listen_until([&] {
        return find<event::Renamed>([](const Event& event, const auto& renamed) {
            return event.tid == getpid() && renamed.comm == "renamed";
        });
    }));
    EXPECT_FALSE(reader_->pending());
    EXPECT_FALSE(readable(300)) << "a descriptor that stays readable makes its reader spin";
}

// fork(2) and execve(2) close copies of the pipes, after which the kernel says end of file for
// nothing to read.
TEST_F(TraceTest, ReadingGoesOnAfterAChildHasClosedItsCopies) {
    open();
    for (int i = 0; i < 3; ++i) {
        pid_t pid = 0;
        {
            Child child(std::vector<std::string>{"/proc/self/exe", "--gtest_list_tests"});
            pid = child.pid();
            while (child.read_line()) {
            }
            child.wait();
        }
        EXPECT_TRUE(listen_until([&] { return exit_of(pid); }));
    }
}

// On a machine that was booted with maxcpus=1, as tests/vm/trace does.
TEST_F(TraceTest, ACpuThatComesOnlineIsRead) {
    const std::string online = "/sys/devices/system/cpu/cpu1/online";
    if (content(online) != "0\n") {
        GTEST_SKIP() << "SKIPPED: no CPU is offline here";
    }
    open();
    EXPECT_TRUE(write_to(instance_ + "/set_event_pid", "1"));
    EXPECT_FALSE(readable(300)) << "the pipe of a CPU that was never there is always readable";
    EXPECT_TRUE(write_to(instance_ + "/set_event_pid", ""));
    ASSERT_TRUE(write_to(online, "1"));
    const Child child([] {
        cpu_set_t set;
        CPU_ZERO(&set);
        CPU_SET(1, &set);
        return sched_setaffinity(0, sizeof(set), &set) == 0 ? 0 : 1;
    });
    EXPECT_TRUE(listen_until([&] { return exit_of(child.pid()); })) << "it exits on that CPU";
}

} // namespace
} // namespace rseq::test
