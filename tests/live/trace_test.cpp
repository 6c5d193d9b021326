// SPDX-License-Identifier: GPL-2.0-or-later
// The trace reader on the running kernel. Other processes of the machine are seen too, so every
// test looks for its own.
#include "live/zoo_process.h"
#include "tmp_tree.h"
#include "trace/reader.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/capability.h>
#include <poll.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <optional>
#include <sstream>
#include <string>
#include <variant>
#include <vector>

namespace rseq::test {
namespace {

using trace::EventSource;
using trace::Reader;

std::string content(const std::string& path) {
    std::ifstream stream(path);
    return {std::istreambuf_iterator<char>(stream), {}};
}

bool write_to(const std::string& path, const std::string& text) {
    std::ofstream stream(path);
    stream << text << std::flush;
    return stream.good();
}

class TraceTest : public testing::Test {
protected:
    void SetUp() override {
        if (geteuid() != 0) {
            GTEST_SKIP() << "SKIPPED: needs root";
        }
        // A mount of its own shows the same instances as any other.
        if (::mount("tracefs", tree_.path().c_str(), "tracefs", 0, nullptr) != 0) {
            GTEST_SKIP() << "SKIPPED: cannot mount tracefs: " << std::strerror(errno);
        }
        mounted_ = true;
        options_.instance.tracefs = tree_.path();
        options_.instance.name = "rseq-test-" + std::to_string(getpid());
        options_.instance.buffer_kib = 1024;
        instance_ = tree_.path("instances/" + options_.instance.name);
    }

    void TearDown() override {
        reader_.reset();
        if (mounted_) {
            EXPECT_FALSE(std::filesystem::exists(instance_)) << "left behind";
            ::rmdir(instance_.c_str());
            EXPECT_EQ(::umount(tree_.path().c_str()), 0) << std::strerror(errno);
        }
    }

    void open() {
        auto opened = Reader::open(options_);
        ASSERT_TRUE(opened) << opened.error().message();
        reader_.emplace(std::move(*opened));
    }

    /// Waits for something to read, at most this long.
    bool readable(int milliseconds) const {
        pollfd wanted{.fd = reader_->fd(), .events = POLLIN, .revents = 0};
        return ::poll(&wanted, 1, milliseconds) == 1;
    }

    void drain() {
        auto drained = reader_->drain();
        ASSERT_TRUE(drained) << drained.error().message();
        lost_ += drained->lost;
        std::move(drained->events.begin(), drained->events.end(), std::back_inserter(events_));
    }

    /// As a daemon does: sleeps until there is something, or until what was held back is old
    /// enough.
    template <class Condition>
    bool listen_until(Condition condition) {
        const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(60);
        while (!condition()) {
            if (std::chrono::steady_clock::now() > end) {
                return false;
            }
            readable(reader_->pending() ? 1 : 50);
            drain();
        }
        return true;
    }

    /// Where the first event of this kind is that fits; nothing if there is none.
    template <class Payload, class Fits>
    std::optional<std::size_t> find(Fits fits) const {
        for (std::size_t i = 0; i < events_.size(); ++i) {
            const auto* payload = std::get_if<Payload>(&events_[i].payload);
            if (payload != nullptr && fits(events_[i], *payload)) {
                return i;
            }
        }
        return std::nullopt;
    }
    std::optional<std::size_t> start_of(pid_t tid) const {
        return find<event::ThreadStarted>(
            [tid](const Event&, const auto& started) { return started.tid == tid; });
    }
    std::optional<std::size_t> exit_of(pid_t tid) const {
        return find<event::Exited>(
            [tid](const Event&, const auto& exited) { return exited.tid == tid; });
    }

    TmpTree tree_;
    bool mounted_ = false;
    trace::ReaderOptions options_;
    std::string instance_;
    std::optional<Reader> reader_;
    std::vector<Event> events_;
    std::uint64_t lost_ = 0;
};

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

TEST_F(TraceTest, TheInstanceGoesWithItsReader) {
    open();
    EXPECT_TRUE(std::filesystem::exists(instance_));
    EXPECT_EQ(content(instance_ + "/trace_clock").find("[boot]") != std::string::npos, true);
    reader_.reset();
    EXPECT_FALSE(std::filesystem::exists(instance_));
}

TEST_F(TraceTest, OnlyWhatIsAskedForIsSwitchedOn) {
    open();
    std::istringstream lines(content(instance_ + "/set_event"));
    std::size_t count = 0;
    for (std::string line; std::getline(lines, line); ++count) {
        EXPECT_TRUE(std::any_of(trace::known_events().begin(), trace::known_events().end(),
                                [&](const trace::KnownEvent& event) {
                                    return line == std::string(event.system) + ":" + event.name &&
                                           event.use != trace::KnownEvent::Use::slices;
                                }))
            << line;
    }
    EXPECT_GE(count, 6U);
    EXPECT_EQ(content(instance_ + "/options/overwrite"), "1\n");
    EXPECT_EQ(content(instance_ + "/events/cgroup/cgroup_mkdir/filter"), "root == 0\n");
}

TEST_F(TraceTest, OptionsOfTheTopLevelAreNotInherited) {
    const std::string top = tree_.path("options/stacktrace");
    const std::string before = content(top);
    ASSERT_TRUE(write_to(top, "1"));
    open();
    write_to(top, before);
    EXPECT_EQ(content(instance_ + "/options/stacktrace"), "0\n");
}

TEST_F(TraceTest, AStaleInstanceIsReplacedByANewOne) {
    ASSERT_EQ(::mkdir(instance_.c_str(), 0700), 0);
    ASSERT_TRUE(write_to(instance_ + "/events/sched/sched_switch/enable", "1"));
    ASSERT_TRUE(write_to(instance_ + "/events/task/task_rename/filter", "pid == 1"));
    open();
    EXPECT_TRUE(reader_->instance().replaced_stale());
    EXPECT_EQ(content(instance_ + "/events/sched/sched_switch/enable"), "0\n");
    EXPECT_EQ(content(instance_ + "/events/task/task_rename/filter"), "none\n");
    reader_.reset();
    open();
    EXPECT_FALSE(reader_->instance().replaced_stale());
}

TEST_F(TraceTest, TheInstanceOfAKilledReaderIsReplaced) {
    {
        Child killed([this] {
            open();
            std::puts("open");
            static_cast<void>(std::fflush(stdout));
            ::pause();
            return 0;
        });
        ASSERT_EQ(killed.read_line(), "open");
        ::kill(killed.pid(), SIGKILL);
        killed.wait();
    }
    EXPECT_TRUE(std::filesystem::exists(instance_));
    open();
    EXPECT_TRUE(reader_->instance().replaced_stale());
}

TEST_F(TraceTest, TheInstanceOfALivingReaderIsLeftAlone) {
    open();
    const auto second = Reader::open(options_);
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().code, EBUSY);
    EXPECT_NE(second.error().message().find("used by another program"), std::string::npos);
    pid_t pid = 0;
    {
        const Child child([] { return 0; });
        pid = child.pid();
    }
    EXPECT_TRUE(listen_until([&] { return exit_of(pid); })) << "the first goes on";
}

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

TEST_F(TraceTest, SlicesAreSwitchedOnOnRequestWhereThereAreAny) {
    open();
    const bool exist = std::filesystem::exists(instance_ + "/events/rseq/rseq_slice_grant");
    const auto on = reader_->set_slices(true);
    if (!exist) {
        ASSERT_FALSE(on);
        EXPECT_EQ(on.error().code, ENOENT);
        return;
    }
    ASSERT_TRUE(on) << on.error().message();
    EXPECT_EQ(content(instance_ + "/events/rseq/rseq_slice_grant/enable"), "1\n");
    EXPECT_EQ(content(instance_ + "/events/rseq/rseq_slice_end/enable"), "1\n");
    ASSERT_TRUE(reader_->set_slices(false));
    EXPECT_EQ(content(instance_ + "/events/rseq/rseq_slice_grant/enable"), "0\n");
    EXPECT_EQ(content(instance_ + "/events/rseq/rseq_slice_end/enable"), "0\n");
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

/// Gives up root for nobody with these capabilities, in a child.
int become_nobody(std::uint32_t capabilities) {
    __user_cap_header_struct header{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
    __user_cap_data_struct data[2]{};
    data[0].effective = data[0].permitted = capabilities;
    // Keeps the permitted set across the change of the user.
    if (::syscall(SYS_prctl, 8 /* PR_SET_KEEPCAPS */, 1, 0, 0, 0) != 0 ||
        ::setresgid(65534, 65534, 65534) != 0 || ::setresuid(65534, 65534, 65534) != 0) {
        return -1;
    }
    return static_cast<int>(::syscall(SYS_capset, &header, data));
}

TEST_F(TraceTest, OneCapabilityIsAllThatAnotherUserNeeds) {
    Child child([this] {
        if (become_nobody(1U << CAP_DAC_OVERRIDE) != 0) {
            return 2;
        }
        const auto reader = Reader::open(options_);
        std::puts(reader ? "open" : reader.error().message().c_str());
        static_cast<void>(std::fflush(stdout));
        return 0;
    });
    EXPECT_EQ(child.read_line(), "open");
    EXPECT_EQ(child.wait(), 0);
}

TEST_F(TraceTest, WithoutItTheErrorSaysWhatIsMissing) {
    Child child([this] {
        if (become_nobody(0) != 0) {
            return 2;
        }
        const auto reader = Reader::open(options_);
        std::puts(reader ? "open" : reader.error().message().c_str());
        static_cast<void>(std::fflush(stdout));
        return 0;
    });
    const auto line = child.read_line();
    ASSERT_TRUE(line);
    EXPECT_NE(line->find("CAP_DAC_OVERRIDE"), std::string::npos) << *line;
    EXPECT_NE(line->find("Permission denied"), std::string::npos) << *line;
    EXPECT_EQ(child.wait(), 0);
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
