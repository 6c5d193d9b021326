// SPDX-License-Identifier: GPL-2.0-or-later
// What is seen of processes, of cgroups and of rseq.
#include "live/trace_fixture.h"
#include "live/zoo_process.h"

#include <sched.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <map>
#include <optional>
#include <sstream>
#include <string>
#include <variant>
#include <vector>

namespace rseq::test {
namespace {

using trace::EventSource;

TEST_F(TraceTest, AProcessIsSeenFromItsStartToItsEnd) {
    open();
    if (reader_->source() == EventSource::none) {
        GTEST_SKIP() << "SKIPPED: this kernel traces neither rseq nor system calls";
    }
    pid_t pid = 0;
    std::vector<pid_t> tids;
    {
        auto zoo = start_zoo("zoo", "original", 3);
        ASSERT_TRUE(zoo);
        pid = zoo->child.pid();
        for (const auto& [tid, length] : zoo->threads) {
            tids.push_back(tid);
        }
    }
    ASSERT_TRUE(listen_until([&] {
        return std::all_of(tids.begin(), tids.end(), [&](pid_t tid) { return exit_of(tid); });
    }));
    EXPECT_EQ(lost_, 0U);

    const auto start = start_of(pid);
    ASSERT_TRUE(start);
    EXPECT_EQ(events_[*start].tid, getpid()) << "it was this thread that made it";
    const auto executed = find<event::Executed>(
        [&](const Event& event, const auto& exec) { return event.tid == pid && exec.tgid == pid; });
    ASSERT_TRUE(executed);
    EXPECT_NE(std::get<event::Executed>(events_[*executed].payload).filename.find("zoo"),
              std::string::npos);
    EXPECT_LT(*start, *executed);
    for (const pid_t tid : tids) {
        const auto registered = find<event::Registered>([&](const Event& event, const auto& rseq) {
            return event.tid == tid && rseq.error == 0 && rseq.length == original_length &&
                   (tid != pid || event.time_ns > events_[*executed].time_ns);
        });
        ASSERT_TRUE(registered) << tid;
        EXPECT_LT(*executed, *registered);
        EXPECT_LT(*registered, *exit_of(tid));
        const auto& what = std::get<event::Registered>(events_[*registered].payload);
        EXPECT_EQ(what.signature, 0x53053053U);
        EXPECT_EQ(what.version.has_value(), reader_->source() == EventSource::rseq);
        if (what.version) {
            EXPECT_EQ(*what.version, 1);
            EXPECT_EQ(what.tgid, pid);
        }
        if (tid != pid) {
            EXPECT_LT(*start_of(tid), *registered);
        }
        EXPECT_TRUE(find<event::Renamed>([&](const Event&, const auto& renamed) {
            return renamed.tid == tid &&
                   (renamed.comm.starts_with("zoo-") || renamed.comm.starts_with("z\033[1m\n"));
        }));
    }
}

TEST_F(TraceTest, ARefusedRegistrationHasItsErrno) {
    open();
    if (reader_->source() == EventSource::none) {
        GTEST_SKIP() << "SKIPPED: this kernel traces neither rseq nor system calls";
    }
    const auto zoo = start_zoo("zoo", "refused", 1);
    ASSERT_TRUE(zoo);
    EXPECT_TRUE(listen_until([&] {
        return find<event::Registered>([&](const Event& event, const auto& rseq) {
            return event.tid == zoo->child.pid() && rseq.length == original_length / 2 &&
                   rseq.error == EINVAL;
        });
    }));
}

TEST_F(TraceTest, AnUnregistrationIsSeen) {
    open();
    if (reader_->source() == EventSource::none) {
        GTEST_SKIP() << "SKIPPED: this kernel traces neither rseq nor system calls";
    }
    const auto zoo = start_zoo("zoo", "unregistered", 1);
    if (!zoo) {
        GTEST_SKIP() << "SKIPPED: this C library does not register";
    }
    EXPECT_TRUE(listen_until([&] {
        return find<event::Unregistered>([&](const Event& event, const auto& undone) {
            return event.tid == zoo->child.pid() && undone.error == 0;
        });
    }));
}

// A cause never comes after its effect, whatever CPUs they are on: each process starts before it
// does anything, and exits only then, while the buffers are read all the time.
TEST_F(TraceTest, CausesComeBeforeTheirEffects) {
    constexpr int processes = 500;
    open();
    const Child parent([] {
        for (int i = 0; i < processes; ++i) {
            const pid_t pid = fork();
            if (pid == 0) {
                // Of another process on each CPU in turn, to make chains across them.
                cpu_set_t set;
                CPU_ZERO(&set);
                CPU_SET(static_cast<std::size_t>(i) % 2, &set);
                sched_setaffinity(0, sizeof(set), &set);
                _exit(0);
            }
            ::waitpid(pid, nullptr, 0);
        }
        return 0;
    });
    while (thread_state(parent.pid()) != 'Z') { // however long that takes here
        readable(50);
        drain();
    }
    ASSERT_TRUE(listen_until([&] { return exit_of(parent.pid()); }));
    EXPECT_EQ(lost_, 0U);

    std::map<pid_t, std::size_t> started;
    std::map<pid_t, std::size_t> ended;
    int exits = 0;
    for (std::size_t i = 0; i < events_.size(); ++i) {
        if (const auto* start = std::get_if<event::ThreadStarted>(&events_[i].payload);
            start != nullptr && events_[i].tid == parent.pid()) {
            // The parent has waited for the process before.
            if (!started.empty()) {
                EXPECT_EQ(started.size(), ended.size()) << "at event " << i;
            }
            started[start->tid] = i;
        } else if (const auto* exit = std::get_if<event::Exited>(&events_[i].payload);
                   exit != nullptr && started.contains(exit->tid)) {
            EXPECT_LT(started[exit->tid], i);
            ended[exit->tid] = i;
            ++exits;
        }
    }
    EXPECT_EQ(started.size(), std::size_t{processes});
    EXPECT_EQ(exits, processes);
}

TEST_F(TraceTest, CgroupsOfTheUnifiedHierarchyAreSeenWithTheirId) {
    std::string mount;
    std::ifstream mounts("/proc/mounts");
    for (std::string line; std::getline(mounts, line);) {
        std::istringstream words(line);
        std::string device;
        std::string path;
        std::string type;
        words >> device >> path >> type;
        if (type == "cgroup2") {
            mount = path;
        }
    }
    if (mount.empty()) {
        GTEST_SKIP() << "SKIPPED: no cgroup2 is mounted";
    }
    const std::string name = "rseq-test-" + std::to_string(getpid());
    open();
    ASSERT_EQ(::mkdir((mount + "/" + name).c_str(), 0755), 0) << std::strerror(errno);
    struct stat status {};
    EXPECT_EQ(::stat((mount + "/" + name).c_str(), &status), 0);
    {
        const Child child(
            [&] { return write_to(mount + "/" + name + "/cgroup.procs", "0") ? 0 : 1; });
        EXPECT_TRUE(listen_until([&] {
            return find<event::CgroupEntered>([&](const Event&, const auto& entered) {
                return entered.tid == child.pid() && entered.id == status.st_ino &&
                       entered.path.ends_with("/" + name);
            });
        }));
        EXPECT_TRUE(find<event::CgroupMade>([&](const Event&, const auto& made) {
            return made.id == status.st_ino && made.path.ends_with("/" + name);
        }));
    }
    EXPECT_TRUE(eventually([&] { return ::rmdir((mount + "/" + name).c_str()) == 0; }));
}

TEST_F(TraceTest, AViolationIsSeen) {
    open();
    if (reader_->source() != EventSource::rseq) {
        GTEST_SKIP() << "SKIPPED: this kernel does not trace violations";
    }
    const auto zoo = start_zoo("zoo", "violating", 1);
    ASSERT_TRUE(zoo);
    EXPECT_TRUE(listen_until([&] {
        return find<event::Violation>([&](const Event& event, const auto& violation) {
            return event.tid == zoo->child.pid() && violation.tgid == zoo->child.pid() &&
                   violation.version == 2 && violation.reason == "cpu_id_start" &&
                   violation.found == 0x80000003;
        });
    }));
}

} // namespace
} // namespace rseq::test
