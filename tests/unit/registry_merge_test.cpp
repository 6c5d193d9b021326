// SPDX-License-Identifier: GPL-2.0-or-later
// What scans and descriptions mean, and events that follow a scan which saw what they tell.
#include "unit/registry_fixture.h"

using namespace rseq;
using namespace rseq::registry;

namespace {

using RegistryScan = RegistryTest;
using RegistryReplay = RegistryTest;
using RegistryDescription = RegistryTest;

constexpr std::uint64_t a_while = 100'000'000;
constexpr Policy legacy{PolicyMode::legacy, PolicySlice::deny};
const std::optional<Mode> absent;

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

// Events after a scan that saw what they tell: once more is the same

TEST_F(RegistryReplay, OfAStartThatTheScanSawChangesNothing) {
    auto child = seen(20, {Mode::v1, Mode::v2});
    child.policy = legacy;
    scan({seen(10, {Mode::v2}), child}, a_while);
    fork(10, 20);
    EXPECT_EQ(kinds(), Kinds{});
    EXPECT_EQ(threads_of(20), (Pids{20, 21}));
    EXPECT_EQ(mode_of(20), Mode::mixed);
    EXPECT_EQ(registry->find(20)->policy, legacy);
    EXPECT_EQ(registry->find(20)->comm.view(), "seen");
    thread(20, 21);
    EXPECT_EQ(mode_of_thread(21), Mode::v2);
    EXPECT_EQ(unsettled(), (std::pair{Pids{}, Pids{}}));
}

TEST_F(RegistryReplay, OfAStartThatTheScanSawWithoutItsModeTellsTheMode) {
    scan({seen(10, {Mode::v2, Mode::unknown}), seen(20, {Mode::unknown})}, a_while);
    thread(10, 11);
    EXPECT_EQ(mode_of_thread(11), Mode::none);
    vfork(10, 20);
    EXPECT_EQ(mode_of(20), Mode::none);
    EXPECT_EQ(kinds(), Kinds{ChangeKind::mode_changed});
    EXPECT_EQ(registry->find(20)->start_ticks, 1U);
}

TEST_F(RegistryReplay, OfAForkFromBeforeTheParentWasReadDoesNotInheritWhatTheParentBecame) {
    scan({seen(10, {Mode::v2})}, a_while);
    fork(10, 20); // the parent may have registered after this
    EXPECT_EQ(mode_of(20), Mode::unknown);
    EXPECT_EQ(registry->find(20)->policy, std::nullopt);
    EXPECT_EQ(unsettled().first, Pids{20});
    registers(10, 10, 2);
    scan_only({20}, {seen(20, {Mode::none}, now / tick_ns)});
    EXPECT_EQ(mode_of(20), Mode::none);
}

TEST_F(RegistryReplay, OfAForkAfterTheScanEndedInherits) {
    scan({seen(10, {Mode::v2})}, a_while);
    now += a_while;
    fork(10, 20);
    EXPECT_EQ(mode_of(20), Mode::v2);
}

TEST_F(RegistryReplay, OfAForkByAProcessThatExecutedMeanwhileInherits) {
    scan({seen(10, {Mode::v2})}, a_while);
    exec(10);
    fork(10, 20);
    EXPECT_EQ(mode_of(20), Mode::none) << "an exec leaves nothing that the scan saw";
    registers(10, 10, 1);
    fork(10, 30);
    EXPECT_EQ(mode_of(30), Mode::v1);
}

TEST_F(RegistryReplay, OfTheEndOfTheFirstAndTheStartOfTheSecondOfANumberLeavesTheSecond) {
    scan({seen(10, {Mode::v2}), seen(20, {Mode::v1, Mode::v1}, 900)}, a_while); // saw the second
    exits(20, true);                                                            // of the first
    vfork(10, 20);
    registers(20, 20, 1);
    thread(20, 21);
    registers(21, 20, 1);
    EXPECT_EQ(threads_of(20), (Pids{20, 21}));
    EXPECT_EQ(registry->find(20)->threads, ModeCounts{.v1 = 2});
}

TEST_F(RegistryReplay, OfAnExecThatTheScanSawEndsInTheSameState) {
    auto process = seen(10, {Mode::v1, Mode::v2});
    process.policy = legacy;
    scan({process}, a_while); // saw the new program, registered, with a thread
    exits(12, false);
    latches(10, legacy);
    exec(10, 12);
    registers(10, 10, 1);
    thread(10, 11);
    registers(11, 10, 2, SliceState::denied);
    EXPECT_EQ(threads_of(10), (Pids{10, 11}));
    EXPECT_EQ(mode_of(10), Mode::mixed);
    EXPECT_EQ(registry->find(10)->policy, legacy);
}

TEST_F(RegistryReplay, OfAnUnregistrationAndARegistrationThatTheScanSawEndsInTheSameState) {
    scan({seen(10, {Mode::v1})}, a_while);
    registers(10, 10, 2);
    unregisters(10, 10);
    registers(10, 10, 1);
    EXPECT_EQ(mode_of(10), Mode::v1);
}

TEST_F(RegistryReplay, OfTheExitOfAThreadThatWasExitingWhenItWasScannedChangesNothing) {
    scan({seen(10, {Mode::v2})}, a_while); // 11 was left out
    exits(11, false);
    EXPECT_EQ(threads_of(10), Pids{10});
}

TEST_F(RegistryReplay, OfTheStartOfAThreadByOneThatHasExitedSinceWantsARescan) {
    scan({}, a_while); // the process was read when its first thread exited
    thread(10, 20);
    EXPECT_TRUE(registry->needs_rescan());
}

TEST_F(RegistryReplay, OfWhatWasOverBeforeTheScanDoesNot) {
    scan({}, a_while);
    event = Event{now - 1, 10, event::ThreadStarted{20, CLONE_VM | CLONE_THREAD, "late"}};
    registry->apply(event);
    EXPECT_FALSE(registry->needs_rescan());
    EXPECT_EQ(registry->health().strays, 0U);
}

TEST_F(RegistryReplay, APolicyThatWasToldBeforeAScanIsKeptForTheExecAfterIt) {
    scan({seen(10, {Mode::v2})});
    latches(10, legacy);
    scan({seen(10, {Mode::v2})});
    exec(10);
    EXPECT_EQ(registry->find(10)->policy, legacy);
}

TEST_F(RegistryReplay, TheRegistrationThatAScanSeesRightAfterAnExecIsTheOldOne) {
    scan({seen(10, {Mode::v1})});
    exec(10);
    scan_only({10}, {seen(10, {Mode::v1})}); // the kernel has not forgotten it yet
    EXPECT_EQ(mode_of(10), Mode::none);
    EXPECT_EQ(registry->find(10)->source, Evidence::trace);
    registers(10, 10, 2);
    scan_only({10}, {seen(10, {Mode::v1})});
    EXPECT_EQ(mode_of(10), Mode::v1) << "events told of a registration since";
}

TEST_F(RegistryReplay, AfterLossesARegistrationAfterAnExecIsBelievedAndReadAgain) {
    scan({seen(10, {Mode::v1})});
    exec(10);
    scan({seen(10, {Mode::v2})}, 0, true);
    EXPECT_EQ(mode_of(10), Mode::v2);
    EXPECT_EQ(unsettled().first, Pids{10});
    scan_only({10}, {seen(10, {Mode::none})});
    EXPECT_EQ(mode_of(10), Mode::none);
    EXPECT_EQ(unsettled(), (std::pair{Pids{}, Pids{}}));
}

TEST_F(RegistryReplay, OfAnExecOfAProcessThatTheScanFoundUnderNeitherNumberMakesIt) {
    scan({seen(10, {Mode::v2, Mode::v2})});
    scan({});
    exec(10, 11);
    EXPECT_EQ(mode_of(10), Mode::none);
    EXPECT_EQ(threads_of(10), Pids{10});
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
