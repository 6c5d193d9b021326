// SPDX-License-Identifier: GPL-2.0-or-later
// The instance: what is set in it, whose it is, and who may make one.
#include "live/trace_fixture.h"
#include "live/zoo_process.h"

#include <linux/capability.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <sstream>
#include <string>

namespace rseq::test {
namespace {

using trace::Reader;

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

} // namespace
} // namespace rseq::test
