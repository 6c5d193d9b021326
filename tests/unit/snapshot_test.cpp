// SPDX-License-Identifier: GPL-2.0-or-later
// The snapshot of a kernel with our /proc files, taken of trees that look like one.
#include "unit/snapshot_fixture.h"

#include <tuple>

using namespace rseq;
using namespace rseq::snapshot;

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

TEST_F(ProcfsSnapshot, PathsForWhichThereIsNoRoomAreLeftOut) {
    for (const pid_t pid : {7, 8, 9}) {
        add(pid, "a", {.v2 = 1});
        tree.symlink(std::to_string(pid) + "/exe", "/usr/bin/a");
    }
    const std::size_t one = take_one(7).cgroup.size() + std::string("/usr/bin/a").size();
    const Snapshot snapshot =
        take({.exe = true, .path_bytes = 2 * one, .only = std::vector<pid_t>{7, 8, 9}});
    ASSERT_EQ(snapshot.processes.size(), 3U);
    EXPECT_EQ(snapshot.processes[1].exe, "/usr/bin/a");
    EXPECT_FALSE(snapshot.processes[1].paths_left_out);
    EXPECT_TRUE(snapshot.processes[2].paths_left_out);
    EXPECT_EQ(snapshot.processes[2].exe, "");
    EXPECT_EQ(snapshot.processes[2].cgroup, "");
    EXPECT_EQ(snapshot.processes[2].unit.name, "");
    EXPECT_EQ(snapshot.processes[2].mode(), Mode::v2);
}

TEST_F(ProcfsSnapshot, IdentifiesProcessesWithoutTheirModes) {
    add(7, "a", {.v2 = 1});
    add(8, "b", {.v2 = 1});
    tree.file("9/stat", stat_text(9, "kthread", 'S', kernel_thread_flag, 1));
    tree.symlink("7/exe", "/usr/bin/a");
    const proc::ProcReader reader(tree.open());
    const auto thread = snapshot::identify(reader, 9);
    const auto process = snapshot::identify(reader, 7);
    ASSERT_TRUE(thread && process);
    EXPECT_FALSE(snapshot::identify(reader, 10));
    EXPECT_EQ(thread->key, (ProcessKey{9, 900}));
    EXPECT_TRUE(thread->kernel_thread);
    EXPECT_EQ(process->comm, "a");
    EXPECT_EQ(process->cgroup, "/system.slice/a.service");
    EXPECT_EQ(process->unit.display_name(), "a.service");
    EXPECT_EQ(process->exe, "/usr/bin/a");
    EXPECT_EQ(process->threads.total(), 0U);
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
