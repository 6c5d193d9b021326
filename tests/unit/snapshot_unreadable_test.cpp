// SPDX-License-Identifier: GPL-2.0-or-later
// A snapshot while processes end, of files that make no sense, or that may not be read.
#include "unit/snapshot_fixture.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

using namespace rseq;
using namespace rseq::snapshot;
using namespace std::string_literals;

namespace {

/// Without the privileges of root for as long as it lives.
class Unprivileged {
public:
    Unprivileged() { EXPECT_EQ(::seteuid(nobody), 0); }
    ~Unprivileged() { EXPECT_EQ(::seteuid(0), 0); }
    Unprivileged(const Unprivileged&) = delete;
    Unprivileged& operator=(const Unprivileged&) = delete;

private:
    static constexpr uid_t nobody = 65534;
};

} // namespace

TEST_F(ProcfsSnapshot, LeavesOutWhatHasEnded) {
    tree.directory("7");                               // before anything was read
    tree.file("8/stat", stat_text(8, "b", 'S', 0, 1)); // before its rseq file was read
    tree.symlink("9", "absent");                       // before it was opened
    add(10, "zombie", {}, 'Z');
    const Snapshot snapshot = take({.only = std::vector<pid_t>{7, 8, 9, 10, 11}});
    EXPECT_TRUE(snapshot.processes.empty());
    EXPECT_EQ(snapshot.unknown_reason, "");
}

TEST_F(ProcfsSnapshot, LeavesOutThreadsThatHaveEnded) {
    add(7, "a", {.v2 = 3});
    add_thread(7, 7, thread_text(2, 33, "available"), "a");
    tree.directory("7/task/8");
    const Process process = take_one(7, true);
    EXPECT_EQ(process.thread_list.size(), 1U);
    EXPECT_EQ(process.threads, ModeCounts{.v2 = 1});
    EXPECT_EQ(reason, "");
}

TEST_F(ProcfsSnapshot, LeavesOutThreadsThatHaveBegunToExit) {
    add(7, "a", {.v2 = 2});
    add_thread(7, 7, thread_text(2, 33, "available"), "leader", exiting_flag);
    add_thread(7, 8, thread_text(2, 33, "available"), "worker");
    EXPECT_EQ(take_one(7).threads, ModeCounts{.v2 = 2}) << "counted by the kernel";
    const Process process = take_one(7, true);
    EXPECT_EQ(process.threads, ModeCounts{.v2 = 1});
    ASSERT_EQ(process.thread_list.size(), 1U);
    EXPECT_EQ(process.thread_list[0].tid, 8);
}

TEST_F(ProcfsSnapshot, AProcessWhoseThreadsHaveAllBegunToExitHasEnded) {
    add(7, "a", {.v2 = 1});
    add_thread(7, 7, thread_text(2, 33, "available"), "a", exiting_flag);
    EXPECT_EQ(take_one(7, true).key.pid, 0);
}

TEST_F(ProcfsSnapshot, AZombieIsNotUnknownThoughTheKernelCountsItsLeader) {
    add(7, "a", {}, 'Z');
    tree.file("7/stat", stat_text(7, "a", 'Z', 0, 1));
    tree.file("7/rseq", "");
    tree.directory("7/task/7");
    EXPECT_EQ(take_one(7).key.pid, 0);
    EXPECT_EQ(take_one(7, true).key.pid, 0);
}

TEST_F(ProcfsSnapshot, ALeaderThatHasEndedDoesNotHideItsThreads) {
    add(7, "a", {.v2 = 2}, 'Z');
    EXPECT_EQ(take_one(7).threads, ModeCounts{.v2 = 2});
}

TEST_F(ProcfsSnapshot, ANameThatCannotBeReadIsEmptyAndTheThreadStays) {
    add(7, "a", {.v2 = 1});
    tree.file("7/task/7/rseq", thread_text(2, 33, "available"));
    tree.file("7/task/7/stat", "7 (a");
    const Process process = take_one(7, true);
    ASSERT_EQ(process.thread_list.size(), 1U);
    EXPECT_EQ(process.thread_list[0].comm, "");
    EXPECT_EQ(process.mode(), Mode::v2);
}

TEST_F(ProcfsSnapshot, AFileThatMakesNoSenseMakesTheProcessUnknownAndSaysWhy) {
    const std::string good = Group{.v2 = 4}.text();
    for (const std::string& bad :
         {""s, "\0\0\0"s, good.substr(0, good.size() - 1), good.substr(0, 20), "\xff\xfe\n"s,
          std::string(1U << 20U, 'V'), good + "V1:\t0\n",
          "Threads:\t4\nUnregistered:\t9\nV1:\t0\nV2:\t4\n"s}) {
        add(7, "a", {.v2 = 4});
        tree.file("7/rseq", bad);
        const Process process = take_one(7);
        EXPECT_EQ(process.key.pid, 7) << bad.substr(0, 40);
        EXPECT_EQ(process.mode(), Mode::unknown);
        EXPECT_EQ(process.threads, ModeCounts{.unknown = 4});
        EXPECT_EQ(process.source, Evidence::none);
        EXPECT_NE(reason.find("rseq"), std::string::npos) << reason;
    }
}

TEST_F(ProcfsSnapshot, AThreadFileThatMakesNoSenseMakesTheThreadUnknownAndSaysWhy) {
    for (const std::string& bad :
         {""s, "Version:\t2"s, "\0\n"s, std::string(1U << 20U, '2'), "Version:\t-1\n"s}) {
        add(7, "a", {.v2 = 2});
        add_thread(7, 7, thread_text(2, 33, "available"), "a");
        add_thread(7, 8, bad, "b");
        const Process process = take_one(7, true);
        EXPECT_EQ(process.threads, (ModeCounts{.v2 = 1, .unknown = 1}));
        EXPECT_NE(reason.find("rseq"), std::string::npos) << reason;
    }
}

TEST_F(ProcfsSnapshot, AStatThatMakesNoSenseDoesNotHideTheProcess) {
    for (const std::string& bad : {""s, "7 (a) S 1 1"s, "\xff\n"s, std::string(1U << 20U, '7')}) {
        add(7, "a", {.v2 = 1});
        tree.file("7/stat", bad);
        const Process process = take_one(7);
        EXPECT_EQ(process.key.pid, 7);
        EXPECT_EQ(process.mode(), Mode::unknown);
        EXPECT_NE(reason.find("stat"), std::string::npos) << reason;
    }
}

TEST_F(ProcfsSnapshot, WithoutACgroupTheRestIsShown) {
    add(7, "a", {.v2 = 1});
    for (const std::string& bad : {""s, "\xff"s, "0::/a.service"s}) {
        tree.file("7/cgroup", bad);
        const Process process = take_one(7);
        EXPECT_EQ(process.mode(), Mode::v2);
        EXPECT_EQ(process.cgroup, "");
        EXPECT_EQ(process.unit, proc::Unit{});
    }
}

TEST_F(ProcfsSnapshot, AProcessThatThisUserMayNotReadIsUnknownAndSaysWhy) {
    if (::geteuid() != 0) {
        GTEST_SKIP() << "SKIPPED: needs root to become another user";
    }
    ASSERT_EQ(::chmod(tree.path().c_str(), 0755), 0);
    add(7, "a", {.v2 = 3});
    ASSERT_EQ(::chmod(tree.path("7/rseq").c_str(), 0400), 0);
    add(8, "b", {.v2 = 1}); // as with hidepid=1
    ASSERT_EQ(::chmod(tree.path("8").c_str(), 0500), 0);
    add(9, "c", {.v2 = 1});
    add_thread(9, 9, thread_text(2, 33, "available"), "c");
    ASSERT_EQ(::chmod(tree.path("9/task").c_str(), 0700), 0);

    const Unprivileged nobody;
    const Process seven = take_one(7);
    EXPECT_EQ(seven.comm, "a");
    EXPECT_EQ(seven.threads, ModeCounts{.unknown = 3});
    EXPECT_EQ(reason, "cannot open rseq: Permission denied");

    const Process eight = take_one(8);
    EXPECT_EQ(eight.key.pid, 8);
    EXPECT_EQ(eight.mode(), Mode::unknown);
    EXPECT_EQ(reason, "cannot open stat: Permission denied");

    const Process nine = take_one(9, true);
    EXPECT_EQ(nine.threads, ModeCounts{.unknown = 1});
    EXPECT_EQ(reason, "cannot open task: Permission denied");
    EXPECT_EQ(take_one(9).mode(), Mode::v2);
}

TEST_F(ProcfsSnapshot, FailsOnlyIfTheProcessesCannotBeListed) {
    tree.remove("5");
    tree.remove("self");
    tree.file("self/rseq", "");
    EXPECT_TRUE(take().processes.empty());
    tree.file("file", "");
    // Not a directory.
    UniqueFd file(::open(tree.path("file").c_str(), O_RDONLY | O_CLOEXEC));
    EXPECT_FALSE(snapshot::take(proc::ProcReader(std::move(file)), facts, {}));
}
