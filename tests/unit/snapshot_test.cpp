// SPDX-License-Identifier: GPL-2.0-or-later
// The snapshot of a kernel with our /proc files, taken of trees that look like one.
#include "snapshot/snapshot.h"
#include "tmp_tree.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

using namespace rseq;
using rseq::snapshot::Options;
using rseq::snapshot::Process;
using rseq::snapshot::Snapshot;
using rseq::test::TmpTree;
using namespace std::string_literals;

namespace {

struct Group {
    unsigned none = 0;
    unsigned v1 = 0;
    unsigned v2 = 0;
    unsigned slice_enabled = 0;
    std::string policy = "auto allow";

    [[nodiscard]] std::string text() const {
        return fmt::format("Threads:\t{}\nUnregistered:\t{}\nV1:\t{}\nV2:\t{}\n"
                           "Slice_enabled:\t{}\nSlice_granted:\t0\nSlice_yielded:\t0\n"
                           "Slice_syscall:\t0\nSlice_expired:\t0\nSlice_revoked:\t0\n"
                           "Policy:\t{}\n",
                           none + v1 + v2, none, v1, v2, slice_enabled, policy);
    }
};

std::string thread_text(int version, unsigned length, std::string_view slice) {
    return fmt::format("Version:\t{}\nLength:\t{}\nSlice:\t{}\nPolicy:\tauto allow\n", version,
                       length, slice);
}

constexpr unsigned kernel_thread_flag = 0x00200000;
constexpr unsigned exiting_flag = 0x00000004;

std::string stat_text(pid_t pid, std::string_view comm, char state, unsigned flags,
                      unsigned threads) {
    return fmt::format("{} ({}) {} 1 1 1 0 -1 {} 0 0 0 0 0 0 0 0 20 0 {} 0 900 0 0\n", pid, comm,
                       state, flags, threads);
}

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

class ProcfsSnapshot : public testing::Test {
protected:
    ProcfsSnapshot() { facts.kernel_class = KernelClass::dual; }

    void SetUp() override {
        // What reads: without a file of its own there is no such kernel.
        add(5, "rseqctl", Group{.v2 = 1});
        tree.symlink("self", "5");
    }

    void add(pid_t pid, const std::string& comm, const Group& group, char state = 'S') {
        const std::string folder = std::to_string(pid) + "/";
        tree.file(folder + "stat",
                  stat_text(pid, comm, state, 0, group.none + group.v1 + group.v2));
        tree.file(folder + "cgroup", "0::/system.slice/" + comm + ".service\n");
        tree.file(folder + "rseq", group.text());
    }

    void add_thread(pid_t pid, pid_t tid, const std::string& rseq, const std::string& comm,
                    unsigned flags = 0) {
        const std::string folder = fmt::format("{}/task/{}/", pid, tid);
        tree.file(folder + "rseq", rseq);
        tree.file(folder + "stat", stat_text(tid, comm, 'S', flags, 2));
    }

    Snapshot take(const Options& options = {}) {
        auto snapshot = snapshot::take(proc::ProcReader(tree.open()), facts, options);
        EXPECT_TRUE(snapshot) << snapshot.error().message();
        return snapshot ? std::move(*snapshot) : Snapshot{};
    }

    /// Process `pid` of a snapshot of it alone; one without a number if it is not there.
    Process take_one(pid_t pid, bool threads = false) {
        Snapshot snapshot = take({.threads = threads, .only = std::vector<pid_t>{pid}});
        reason = snapshot.unknown_reason;
        EXPECT_LE(snapshot.processes.size(), 1U);
        return snapshot.processes.empty() ? Process{} : std::move(snapshot.processes.front());
    }

    TmpTree tree;
    KernelFacts facts;
    std::string reason;
};

} // namespace

TEST_F(ProcfsSnapshot, ListsEveryProcessInAscendingOrder) {
    add(100, "b", {.v1 = 1});
    add(20, "a", {.v1 = 1});
    tree.file("uptime", "1 1\n");
    const Snapshot snapshot = take();
    ASSERT_EQ(snapshot.processes.size(), 3U);
    EXPECT_EQ(snapshot.processes[0].key, (ProcessKey{5, 900}));
    EXPECT_EQ(snapshot.processes[1].key.pid, 20);
    EXPECT_EQ(snapshot.processes[2].key.pid, 100);
    EXPECT_EQ(snapshot.unknown_reason, "");
}

TEST_F(ProcfsSnapshot, TakesWhatTheKernelSaysOfAProcess) {
    add(7, "mongod", {.v1 = 12, .policy = "legacy deny"});
    const Process mongod = take_one(7);
    EXPECT_EQ(mongod.comm, "mongod");
    EXPECT_EQ(mongod.cgroup, "/system.slice/mongod.service");
    EXPECT_EQ(mongod.unit.display_name(), "mongod.service");
    EXPECT_EQ(mongod.source, Evidence::procfs);
    EXPECT_EQ(mongod.mode(), Mode::v1);
    EXPECT_EQ(mongod.threads, ModeCounts{.v1 = 12});
    EXPECT_EQ(mongod.policy, (Policy{PolicyMode::legacy, PolicySlice::deny}));
    EXPECT_EQ(mongod.slice, SliceState::unavailable);
    EXPECT_TRUE(mongod.thread_list.empty());
}

TEST_F(ProcfsSnapshot, ModesFollowTheCounts) {
    add(7, "a", {.v2 = 3});
    add(8, "b", {.v1 = 1, .v2 = 1});
    add(9, "c", {.none = 2});
    add(10, "d", {.none = 1, .v1 = 1});
    EXPECT_EQ(take_one(7).mode(), Mode::v2);
    EXPECT_EQ(take_one(8).mode(), Mode::mixed);
    EXPECT_EQ(take_one(9).mode(), Mode::none);
    EXPECT_EQ(take_one(10).mode(), Mode::v1);
}

TEST_F(ProcfsSnapshot, SlicesAreWhatTheThreadsThePolicyAndTheKernelAllow) {
    add(7, "a", {.v2 = 3, .slice_enabled = 2});
    add(8, "b", {.v2 = 3});
    add(9, "c", {.v2 = 3, .policy = "auto deny"});
    add(10, "d", {.v1 = 3});
    facts.slices = Availability::yes;
    EXPECT_EQ(take_one(7).slice, SliceState::enabled);
    EXPECT_EQ(take_one(7).slice_enabled, 2U);
    EXPECT_EQ(take_one(8).slice, SliceState::available);
    EXPECT_EQ(take_one(9).slice, SliceState::denied);
    EXPECT_EQ(take_one(10).slice, SliceState::unavailable);
    facts.slices = Availability::unknown;
    EXPECT_EQ(take_one(8).slice, SliceState::unknown);
    facts.slices = Availability::no;
    EXPECT_EQ(take_one(8).slice, SliceState::unavailable);
}

TEST_F(ProcfsSnapshot, APolicyOfALaterKernelIsNoPolicyAndNoReasonToFail) {
    add(7, "a", {.v2 = 1, .policy = "frugal allow"});
    const Process process = take_one(7);
    EXPECT_EQ(process.mode(), Mode::v2);
    EXPECT_FALSE(process.policy);
}

TEST_F(ProcfsSnapshot, ListsThreadsIfTheyAreAskedFor) {
    add(7, "a", {.none = 1, .v1 = 1, .v2 = 1});
    add_thread(7, 7, thread_text(2, 33, "enabled"), "main");
    add_thread(7, 8, thread_text(1, 32, "unavailable"), "tcmalloc");
    add_thread(7, 9, "Version:\t0\nPolicy:\tauto allow\n", "\x1b[2J\nx");
    const Process process = take_one(7, true);
    ASSERT_EQ(process.thread_list.size(), 3U);
    const auto& [main, second, third] =
        std::tie(process.thread_list[0], process.thread_list[1], process.thread_list[2]);
    EXPECT_EQ(main.tid, 7);
    EXPECT_EQ(main.mode, Mode::v2);
    EXPECT_EQ(main.length, 33U);
    EXPECT_EQ(main.slice, SliceState::enabled);
    EXPECT_EQ(second.comm, "tcmalloc");
    EXPECT_EQ(second.mode, Mode::v1);
    EXPECT_EQ(third.comm, "\x1b[2J\nx");
    EXPECT_EQ(third.mode, Mode::none);
    EXPECT_EQ(third.length, 0U);
    EXPECT_EQ(process.mode(), Mode::mixed);
    EXPECT_EQ(process.slice_enabled, 1U);
}

TEST_F(ProcfsSnapshot, TheKernelsWordForAThreadNeedsNoKnownClass) {
    facts.kernel_class = KernelClass::unknown;
    add(7, "a", {.v1 = 1, .v2 = 1});
    add_thread(7, 7, thread_text(2, 33, "available"), "a");
    add_thread(7, 8, thread_text(1, 64, "unavailable"), "b");
    EXPECT_EQ(take_one(7).threads, (ModeCounts{.v1 = 1, .v2 = 1}));
    EXPECT_EQ(take_one(7, true).threads, (ModeCounts{.v1 = 1, .v2 = 1}));
}

TEST_F(ProcfsSnapshot, AThreadVersionOfALaterKernelIsUnknown) {
    add(7, "a", {.v2 = 1});
    add_thread(7, 7, thread_text(3, 128, "available"), "a");
    EXPECT_EQ(take_one(7, true).mode(), Mode::unknown);
}

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

TEST_F(ProcfsSnapshot, ANameThatCannotBeReadIsEmptyAndTheThreadStays) {
    add(7, "a", {.v2 = 1});
    tree.file("7/task/7/rseq", thread_text(2, 33, "available"));
    tree.file("7/task/7/stat", "7 (a");
    const Process process = take_one(7, true);
    ASSERT_EQ(process.thread_list.size(), 1U);
    EXPECT_EQ(process.thread_list[0].comm, "");
    EXPECT_EQ(process.mode(), Mode::v2);
}

TEST_F(ProcfsSnapshot, ReadsTheProgramIfItIsAskedFor) {
    add(7, "a", {.v2 = 1});
    add(8, "kthread", {.none = 1});
    tree.symlink("7/exe", "/usr/bin/a");
    EXPECT_EQ(take_one(7).exe, "");
    const Snapshot snapshot = take({.exe = true, .only = std::vector<pid_t>{7, 8}});
    ASSERT_EQ(snapshot.processes.size(), 2U);
    EXPECT_EQ(snapshot.processes[0].exe, "/usr/bin/a");
    EXPECT_EQ(snapshot.processes[1].exe, "") << "has none";
    EXPECT_EQ(snapshot.unknown_reason, "");
}

TEST_F(ProcfsSnapshot, IdentifiesProcessesWithoutTheirModes) {
    add(7, "a", {.v2 = 1});
    add(8, "b", {.v2 = 1});
    tree.file("9/stat", stat_text(9, "kthread", 'S', kernel_thread_flag, 1));
    tree.symlink("7/exe", "/usr/bin/a");
    const auto processes = snapshot::identify(proc::ProcReader(tree.open()), {9, 7, 10});
    ASSERT_EQ(processes.size(), 2U);
    EXPECT_EQ(processes[0].key, (ProcessKey{9, 900}));
    EXPECT_TRUE(processes[0].kernel_thread);
    EXPECT_EQ(processes[1].comm, "a");
    EXPECT_EQ(processes[1].cgroup, "/system.slice/a.service");
    EXPECT_EQ(processes[1].unit.display_name(), "a.service");
    EXPECT_EQ(processes[1].exe, "/usr/bin/a");
    EXPECT_EQ(processes[1].threads.total(), 0U);
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

TEST_F(ProcfsSnapshot, KernelThreadsAreShownIfAskedForOrNamed) {
    add(7, "kworker", {.none = 1});
    tree.file("7/stat", stat_text(7, "kworker", 'I', kernel_thread_flag, 1));
    EXPECT_EQ(take().processes.size(), 1U);
    EXPECT_EQ(take({.kernel_threads = true, .only = {}}).processes.size(), 2U);
    const Process kworker = take_one(7);
    EXPECT_TRUE(kworker.kernel_thread);
    EXPECT_EQ(kworker.mode(), Mode::none);
}

TEST_F(ProcfsSnapshot, ProcessesThatAreNamedTwiceAreShownOnceInOrder) {
    add(7, "a", {.v2 = 1});
    add(8, "b", {.v2 = 1});
    const Snapshot snapshot = take({.only = std::vector<pid_t>{8, 7, 8}});
    ASSERT_EQ(snapshot.processes.size(), 2U);
    EXPECT_EQ(snapshot.processes[0].key.pid, 7);
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

TEST_F(ProcfsSnapshot, ReadsAProcessOf32768Threads) {
    constexpr unsigned count = 32'768;
    constexpr pid_t first = 100'000;
    add(first, "many", {.v1 = count / 2, .v2 = count / 2});
    for (unsigned i = 0; i < count; i++) {
        add_thread(first, first + static_cast<pid_t>(i),
                   i % 2 == 0 ? thread_text(1, 32, "unavailable") : thread_text(2, 33, "available"),
                   "t");
    }
    EXPECT_EQ(take_one(first).threads, (ModeCounts{.v1 = count / 2, .v2 = count / 2}));
    const Process process = take_one(first, true);
    ASSERT_EQ(process.thread_list.size(), count);
    EXPECT_EQ(process.threads, (ModeCounts{.v1 = count / 2, .v2 = count / 2}));
    EXPECT_EQ(process.thread_list.back().tid, first + static_cast<pid_t>(count) - 1);
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
