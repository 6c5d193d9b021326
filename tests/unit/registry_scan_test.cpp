// SPDX-License-Identifier: GPL-2.0-or-later
// What scans and descriptions mean.
#include "unit/registry_fixture.h"

#include <cerrno>

using namespace rseq;
using namespace rseq::registry;

namespace {

using RegistryScan = RegistryTest;
using RegistryDescription = RegistryTest;

} // namespace

// Scans

TEST_F(RegistryScan, TellsAllThatItSaw) {
    auto process = seen(10, {Mode::v2, Mode::v1, Mode::none, Mode::unknown}, 4711);
    process.thread_list[0].slice = SliceState::enabled;
    process.policy = legacy;
    scan({process});
    const Process* known = registry->find(10);
    ASSERT_NE(known, nullptr);
    EXPECT_EQ(known->key(), (ProcessKey{10, 4711}));
    EXPECT_EQ(known->comm.view(), "seen");
    EXPECT_EQ(known->exe_path(), "/usr/bin/seen");
    EXPECT_EQ(known->unit().name, "seen.service");
    EXPECT_EQ(known->threads, (ModeCounts{.v1 = 1, .v2 = 1, .none = 1, .unknown = 1}));
    EXPECT_EQ(known->slice_enabled, 1U);
    EXPECT_EQ(known->policy, legacy);
    EXPECT_EQ(known->source, Evidence::procfs);
    EXPECT_EQ(registry->find_thread(11)->length, 32U);
    EXPECT_EQ(unsettled(), (std::pair{Pids{}, Pids{}}));
}

TEST_F(RegistryScan, GivesBackWhatItTook) {
    auto process = seen(10, {Mode::v2, Mode::v2}, 4711);
    process.slice = SliceState::available;
    process.unit = proc::unit_of_cgroup(process.cgroup);
    scan({process});
    const snapshot::Process given = registry->snapshot_of(*registry->find(10), true);
    EXPECT_EQ(given.key, process.key);
    EXPECT_EQ(given.comm, process.comm);
    EXPECT_EQ(given.exe, process.exe);
    EXPECT_EQ(given.cgroup, process.cgroup);
    EXPECT_EQ(given.unit, process.unit);
    EXPECT_EQ(given.threads, process.threads);
    EXPECT_EQ(given.slice, process.slice);
    EXPECT_EQ(given.policy, process.policy);
    EXPECT_EQ(given.source, process.source);
    ASSERT_EQ(given.thread_list.size(), 2U);
    EXPECT_EQ(given.thread_list[1].tid, 11);
    EXPECT_EQ(given.thread_list[1].mode, Mode::v2);
    EXPECT_EQ(given.thread_list[1].length, 33U);
    EXPECT_EQ(given.thread_list[1].slice, SliceState::available);
    EXPECT_TRUE(registry->snapshot_of(*registry->find(10), false).thread_list.empty());
}

TEST_F(RegistryScan, ListsProcessesInAscendingOrder) {
    scan({seen(10, {Mode::v2}), seen(300, {Mode::v2}), seen(4000, {Mode::v2})});
    fork(10, 200);
    Pids pids;
    for (const Process* process : registry->processes()) {
        pids.push_back(process->pid);
    }
    EXPECT_EQ(pids, (Pids{10, 200, 300, 4000}));
}

TEST_F(RegistryScan, WhatIsNotInAWholeOneIsGone) {
    scan({seen(10, {Mode::v2, Mode::v2}), seen(20, {Mode::v1})});
    scan({seen(10, {Mode::v2})});
    EXPECT_EQ(kinds(), Kinds{ChangeKind::gone});
    EXPECT_EQ(mode_of(20), absent);
    EXPECT_EQ(threads_of(10), Pids{10});
    EXPECT_EQ(registry->thread_size(), 1U);
}

TEST_F(RegistryScan, WhatStartedAfterItBeganIsNotGone) {
    scan({seen(10, {Mode::v2})});
    fork(10, 20);
    const std::vector<snapshot::Process> processes{seen(10, {Mode::v2})};
    registry->reconcile({processes, now - 1, now, std::nullopt, false});
    EXPECT_EQ(mode_of(20), Mode::v2);
    registry->reconcile({processes, now + 1, now + 2, std::nullopt, false});
    EXPECT_EQ(mode_of(20), absent);
}

TEST_F(RegistryScan, APartialOneSaysNothingOfOthers) {
    scan({seen(10, {Mode::v2}), seen(20, {Mode::v1}), seen(30, {Mode::v1})});
    scan_only({10, 20}, {seen(10, {Mode::v1})});
    EXPECT_EQ(mode_of(10), Mode::v1);
    EXPECT_EQ(mode_of(20), absent) << "asked for and not there";
    EXPECT_EQ(mode_of(30), Mode::v1);
}

TEST_F(RegistryScan, TheSameNumberWithAnotherStartIsAnotherProcess) {
    scan({seen(10, {Mode::v2}, 5)});
    is_refused(10, 10, EINVAL);
    scan({seen(10, {Mode::v1}, 6)});
    EXPECT_EQ(kinds(), (Kinds{ChangeKind::gone, ChangeKind::appeared}));
    EXPECT_TRUE(registry->refusals(*registry->find(10)).empty());
    scan({seen(10, {Mode::v2}, 6)});
    EXPECT_EQ(kinds(), Kinds{ChangeKind::mode_changed});
}

TEST_F(RegistryScan, OneThatStartedAfterTheFirstEventOfAProcessSawAnother) {
    scan({seen(10, {Mode::v2})});
    fork(10, 20);
    const std::uint64_t tick = now / tick_ns;
    scan({seen(10, {Mode::v2}), seen(20, {Mode::v1}, tick + 2)});
    EXPECT_EQ(kinds(), (Kinds{ChangeKind::gone, ChangeKind::appeared}));
    fork(10, 30);
    scan({seen(10, {Mode::v2}), seen(20, {Mode::v1}, tick + 2), seen(30, {Mode::v2}, tick)});
    EXPECT_EQ(kinds(), Kinds{});
    EXPECT_EQ(registry->find(30)->start_ticks, tick);
}

TEST_F(RegistryScan, AThreadThatIsInAnotherProcessNowLeavesTheOldOne) {
    scan({seen(10, {Mode::v2, Mode::v2, Mode::v2})});
    scan({seen(10, {Mode::v2}), seen(11, {Mode::v1, Mode::v1})});
    EXPECT_EQ(threads_of(10), Pids{10});
    EXPECT_EQ(threads_of(11), (Pids{11, 12}));
    EXPECT_EQ(registry->thread_counts(), (ModeCounts{.v1 = 2, .v2 = 1}));
}

TEST_F(RegistryScan, WhatItCannotTellIsAsEventsToldIt) {
    use(stock_kernel(KernelClass::dual));
    auto blind = seen(10, {Mode::unknown});
    blind.source = Evidence::none;
    scan({blind});
    EXPECT_EQ(registry->find(10)->source, Evidence::none);
    calls_rseq(10, 33);
    scan({blind});
    EXPECT_EQ(mode_of(10), Mode::v2);
    EXPECT_EQ(registry->find(10)->source, Evidence::trace);
    scan({blind}, 0, true);
    EXPECT_EQ(mode_of(10), Mode::unknown) << "the event that ended it may be among the lost";
    EXPECT_EQ(registry->find(10)->source, Evidence::none);
}

TEST_F(RegistryScan, AProcessThatCouldNotBeReadIsUnknownAndThere) {
    snapshot::Process unreadable;
    unreadable.key.pid = 10;
    scan({unreadable});
    EXPECT_EQ(mode_of(10), Mode::unknown);
    EXPECT_EQ(registry->find(10)->start_ticks, std::nullopt);
    scan({seen(10, {Mode::v2}, 4711)});
    EXPECT_EQ(registry->find(10)->start_ticks, 4711U);
    scan({unreadable});
    EXPECT_EQ(kinds(), Kinds{}) << "it says nothing";
    EXPECT_EQ(registry->find(10)->start_ticks, 4711U);
    EXPECT_EQ(registry->find(10)->comm.view(), "seen");
}

TEST_F(RegistryScan, AProgramOrCgroupThatCouldNotBeReadStays) {
    scan({seen(10, {Mode::v2})});
    auto process = seen(10, {Mode::v2});
    process.exe.clear();
    process.cgroup.clear();
    scan({process});
    EXPECT_EQ(registry->find(10)->exe_path(), "/usr/bin/seen");
    EXPECT_EQ(registry->find(10)->unit().name, "seen.service");
}

// Descriptions

TEST_F(RegistryDescription, CompletesAProcessThatEventsMade) {
    fork(1, 10);
    auto described = seen(10, {}, now / tick_ns);
    described.policy.reset();
    EXPECT_TRUE(registry->describe(described));
    const Process* process = registry->find(10);
    EXPECT_EQ(process->key(), (ProcessKey{10, now / tick_ns}));
    EXPECT_EQ(process->comm.view(), "seen");
    EXPECT_EQ(registry->find_thread(10)->comm.view(), "seen");
    EXPECT_EQ(process->exe_path(), "/usr/bin/seen");
    EXPECT_EQ(process->unit().name, "seen.service");
    EXPECT_EQ(mode_of(10), Mode::unknown) << "modes are the business of scans";
}

TEST_F(RegistryDescription, ReplacesTheProgramThatExecWasGiven) {
    scan({seen(10, {Mode::v2})});
    exec(10, 10, "./script");
    EXPECT_TRUE(registry->describe(seen(10, {})));
    EXPECT_EQ(registry->find(10)->exe_path(), "/usr/bin/seen");
}

TEST_F(RegistryDescription, OfALaterProcessWithTheSameNumberIsRefused) {
    fork(1, 10);
    EXPECT_FALSE(registry->describe(seen(10, {}, now / tick_ns + 2))) << "started after the event";
    EXPECT_EQ(registry->find(10)->start_ticks, std::nullopt);
    EXPECT_EQ(registry->find(10)->comm.view(), "child");
    EXPECT_TRUE(registry->describe(seen(10, {}, now / tick_ns)));
    EXPECT_FALSE(registry->describe(seen(10, {}, now / tick_ns - 1))) << "has another start";
}

TEST_F(RegistryDescription, OfWhatIsNotKnownOrCouldNotBeReadIsRefused) {
    EXPECT_FALSE(registry->describe(seen(10, {})));
    fork(1, 10);
    snapshot::Process unreadable;
    unreadable.key.pid = 10;
    EXPECT_FALSE(registry->describe(unreadable));
}

TEST_F(RegistryDescription, CanTurnAProcessIntoAKernelThread) {
    fork(1, 10);
    auto described = seen(10, {});
    described.kernel_thread = true;
    EXPECT_TRUE(registry->describe(described));
    EXPECT_EQ(registry->process_counts().total(), 0U);
    EXPECT_EQ(registry->thread_counts().total(), 0U);
    exits(10, true);
    EXPECT_EQ(registry->process_counts().total(), 0U);
    EXPECT_EQ(registry->thread_counts().total(), 0U);
}

TEST_F(RegistryDescription, IsWantedOnceOfEachProcessThatHasNotEnded) {
    scan({seen(10, {Mode::v2})});
    now += a_while;
    for (const pid_t pid : {30, 20, 40}) {
        fork(10, pid);
    }
    exec(20);
    exits(30, true);
    EXPECT_EQ(unsettled(), (std::pair{Pids{}, Pids{20, 40}}));
    EXPECT_EQ(unsettled(), (std::pair{Pids{}, Pids{}}));
    exec(20);
    EXPECT_EQ(unsettled(), (std::pair{Pids{}, Pids{20}}));
}

TEST_F(RegistryDescription, IsNotWantedAnyMoreAfterAScan) {
    scan({seen(10, {Mode::v2})});
    fork(10, 20);
    scan({seen(10, {Mode::v2}), seen(20, {Mode::v2})});
    EXPECT_EQ(unsettled(), (std::pair{Pids{}, Pids{}}));
}

TEST_F(RegistryDescription, AStartTimeTellsAProcessFromALaterOneWithItsNumber) {
    scan({seen(10, {Mode::v2}, 5)});
    EXPECT_TRUE(registry->is_it(*registry->find(10), 5));
    EXPECT_FALSE(registry->is_it(*registry->find(10), 4));
    fork(10, 20);
    const std::uint64_t born = now / tick_ns;
    EXPECT_TRUE(registry->is_it(*registry->find(20), born));
    EXPECT_FALSE(registry->is_it(*registry->find(20), born + 2));
    EXPECT_TRUE(registry->has_started(born, now)) << "of one that is not known";
    EXPECT_FALSE(registry->has_started(born + 2, now));
}
