// SPDX-License-Identifier: GPL-2.0-or-later
// What the events from the start to the end of a thread or process mean.
#include "unit/registry_fixture.h"

#include <linux/sched.h>

using namespace rseq;
using namespace rseq::registry;

namespace {

using RegistryStart = RegistryTest;
using RegistryExec = RegistryTest;
using RegistryExit = RegistryTest;

} // namespace

// Starts: kernel/fork.c, rseq_fork() of include/linux/rseq.h

TEST_F(RegistryStart, AThreadIsOfTheGroupOfTheOneThatMadeIt) {
    scan({seen(10, {Mode::v2, Mode::v2})});
    thread(11, 20);
    EXPECT_EQ(threads_of(10), (Pids{10, 11, 20}));
    EXPECT_EQ(registry->find(20), nullptr);
}

TEST_F(RegistryStart, AThreadStartsUnregisteredAndThatIsKnown) {
    scan({seen(10, {Mode::v2})});
    thread(10, 20);
    EXPECT_EQ(mode_of_thread(20), Mode::none);
    EXPECT_EQ(registry->find(10)->threads, (ModeCounts{.v2 = 1, .none = 1}));
    EXPECT_EQ(unsettled().first, Pids{});
}

TEST_F(RegistryStart, AForkedProcessInheritsTheRegistrationOfTheForkingThread) {
    scan({seen(10, {Mode::v2, Mode::v1})});
    fork(11, 20);
    fork(10, 30);
    EXPECT_EQ(threads_of(20), Pids{20});
    EXPECT_EQ(mode_of(20), Mode::v1);
    EXPECT_EQ(registry->find_thread(20)->length, 32U);
    EXPECT_EQ(mode_of(30), Mode::v2);
    EXPECT_EQ(registry->find_thread(30)->slice, SliceState::available);
    EXPECT_EQ(registry->find(30)->source, Evidence::trace);
}

TEST_F(RegistryStart, AForkInheritsEnabledSlices) {
    scan({seen(10, {Mode::v2})});
    apply(10, event::SliceEnabled{10, true, 0});
    fork(10, 20);
    EXPECT_EQ(registry->find_thread(20)->slice, SliceState::enabled);
    EXPECT_EQ(registry->find(20)->slice_enabled, 1U);
}

TEST_F(RegistryStart, AProcessThatSharesTheAddressSpaceStartsUnregistered) {
    scan({seen(10, {Mode::v2})});
    vfork(10, 20);
    EXPECT_EQ(mode_of(20), Mode::none);
    EXPECT_EQ(registry->find(20)->policy, Policy{});
}

TEST_F(RegistryStart, PolicyProgramAndCgroupAreInherited) {
    auto parent = seen(10, {Mode::v1});
    parent.policy = legacy;
    scan({parent});
    for (const std::uint64_t flags : {std::uint64_t{0}, std::uint64_t{CLONE_VM | CLONE_VFORK}}) {
        start(10, 20, flags, "forked");
        const Process* child = registry->find(20);
        ASSERT_NE(child, nullptr);
        EXPECT_EQ(child->policy, legacy);
        EXPECT_EQ(child->exe_path(), "/usr/bin/seen");
        EXPECT_EQ(child->cgroup_path(), "/system.slice/seen.service");
        EXPECT_EQ(child->unit().name, "seen.service");
        EXPECT_EQ(child->comm.view(), "forked");
        exits(20, true);
    }
}

TEST_F(RegistryStart, TheCgroupOfAProcessThatIsClonedIntoOneIsNotKnown) {
    scan({seen(10, {Mode::v2})});
    start(10, 20, CLONE_INTO_CGROUP);
    EXPECT_EQ(registry->find(20)->cgroup, nullptr);
    EXPECT_EQ(registry->find(20)->unit().name, "");
    EXPECT_EQ(unsettled().second, Pids{20});
}

TEST_F(RegistryStart, AChildOfAKernelThreadIsOneUntilItExecutesAProgram) {
    auto kthreadd = seen(2, {Mode::none});
    kthreadd.kernel_thread = true;
    scan({kthreadd, seen(10, {Mode::v2})});
    EXPECT_EQ(registry->process_counts(), ProcessCounts{.v2 = 1}) << "kernel threads do not count";
    EXPECT_EQ(registry->thread_counts(), ModeCounts{.v2 = 1});
    start(2, 20, CLONE_VM | CLONE_UNTRACED);
    EXPECT_TRUE(registry->find(20)->kernel_thread);
    EXPECT_EQ(registry->process_counts().total(), 1U);
    EXPECT_EQ(registry->thread_counts().total(), 1U);
    exec(20);
    EXPECT_FALSE(registry->find(20)->kernel_thread);
    EXPECT_EQ(registry->process_counts(), (ProcessCounts{.none = 1, .v2 = 1}));
    EXPECT_EQ(registry->thread_counts(), (ModeCounts{.v2 = 1, .none = 1}));
}

TEST_F(RegistryStart, AChildOfAnUnknownParentIsUnknownUnlessItSharesTheAddressSpace) {
    fork(10, 20);
    EXPECT_EQ(mode_of(20), Mode::unknown);
    EXPECT_EQ(registry->find(20)->source, Evidence::none);
    vfork(10, 30);
    EXPECT_EQ(mode_of(30), Mode::none);
    EXPECT_EQ(registry->find(30)->policy, std::nullopt);
    EXPECT_EQ(unsettled().first, (Pids{20, 30})) << "the second for its policy";
}

TEST_F(RegistryStart, AThreadOfAnUnknownGroupIsNotGuessedToBeAnything) {
    scan({});
    thread(10, 20);
    EXPECT_EQ(registry->thread_size(), 0U);
    EXPECT_EQ(registry->health().strays, 1U);
    EXPECT_TRUE(registry->needs_rescan());
    scan({});
    EXPECT_FALSE(registry->needs_rescan());
}

TEST_F(RegistryStart, ANewProcessTakesTheNumberOfOneWhoseEndWasLost) {
    scan({seen(10, {Mode::v2, Mode::v2}), seen(30, {Mode::v1})});
    fork(30, 10);
    EXPECT_EQ(threads_of(10), Pids{10});
    EXPECT_EQ(mode_of(10), Mode::v1);
    EXPECT_EQ(kinds(), (Kinds{ChangeKind::gone, ChangeKind::appeared}));
}

TEST_F(RegistryStart, ANewThreadTakesTheNumberOfOneWhoseEndWasLost) {
    scan({seen(10, {Mode::v2, Mode::v1}), seen(30, {Mode::v2, Mode::v2})});
    thread(30, 11);
    EXPECT_EQ(threads_of(10), Pids{10});
    EXPECT_EQ(mode_of(10), Mode::v2);
    EXPECT_EQ(threads_of(30), (Pids{11, 30, 31}));
    thread(30, 10);
    EXPECT_EQ(mode_of(10), absent) << "its last thread";
}

// Exec: fs/exec.c

TEST_F(RegistryExec, ResetsTheRegistration) {
    scan({seen(10, {Mode::v2})});
    exec(10);
    EXPECT_EQ(mode_of(10), Mode::none);
    EXPECT_EQ(registry->find_thread(10)->length, 0U);
    EXPECT_EQ(registry->find_thread(10)->slice, SliceState::unavailable);
    EXPECT_EQ(registry->find(10)->source, Evidence::trace);
}

TEST_F(RegistryExec, LeavesTheCallerAloneWithTheNumberOfTheGroup) {
    scan({seen(10, {Mode::v2, Mode::v1, Mode::v2})});
    exec(10, 11);
    EXPECT_EQ(threads_of(10), Pids{10});
    EXPECT_EQ(registry->find_thread(11), nullptr);
    EXPECT_EQ(registry->find_thread(12), nullptr);
    EXPECT_EQ(mode_of(10), Mode::none);
    EXPECT_EQ(registry->find(10)->start_ticks, 1U) << "it is the same process";
}

TEST_F(RegistryExec, OfAProcessWhoseLeaderHasExitedGivesItOneAgain) {
    scan({seen(10, {Mode::v2, Mode::v2})});
    exits(10, false);
    exec(10, 11);
    EXPECT_EQ(threads_of(10), Pids{10});
    exits(10, false);
    EXPECT_EQ(mode_of(10), Mode::unknown) << "one that has threads which nobody told of";
}

TEST_F(RegistryExec, SetsThePolicyThatWasToldBeforeIt) {
    scan({seen(10, {Mode::v2})});
    latches(10, legacy);
    EXPECT_EQ(registry->find(10)->policy, Policy{}) << "that of the old program until then";
    exec(10);
    EXPECT_EQ(registry->find(10)->policy, legacy);
}

TEST_F(RegistryExec, WithoutAPolicyToldBeforeItGoesBackToAutoAllow) {
    scan({seen(10, {Mode::v2})});
    latches(10, legacy);
    exec(10);
    exec(10);
    EXPECT_EQ(registry->find(10)->policy, Policy{});
}

TEST_F(RegistryExec, SetsTheProgramAndKeepsTheRest) {
    scan({seen(10, {Mode::v2})});
    apply(10, event::Renamed{10, "vi"});
    exec(10, 10, "./vi");
    const Process* process = registry->find(10);
    EXPECT_EQ(process->exe_path(), "./vi");
    EXPECT_EQ(process->comm.view(), "vi");
    EXPECT_EQ(registry->find_thread(10)->comm.view(), "vi");
    EXPECT_EQ(process->cgroup_path(), "/system.slice/seen.service");
    EXPECT_EQ(unsettled(), (std::pair{Pids{10}, Pids{}}));
}

TEST_F(RegistryExec, OfAnotherThreadNamesTheProcessByTheNumberItHasTakenAlready) {
    scan({seen(10, {Mode::v2, Mode::v2})});
    exits(10, false);
    latches(10, legacy);
    apply(10, event::Renamed{10, "new"});
    exec(10, 11);
    EXPECT_EQ(registry->find(10)->comm.view(), "new");
    EXPECT_EQ(registry->find_thread(10)->comm.view(), "new");
    EXPECT_EQ(registry->find(10)->policy, legacy);
}

TEST_F(RegistryExec, WhosePolicyMayHaveBeenToldBeforeAnybodyListenedIsToBeSettled) {
    scan({seen(10, {Mode::v2})});
    exec(10);
    EXPECT_EQ(unsettled().first, Pids{10}) << "the first since it is known";
    scan_only({10}, {seen(10, {Mode::v2})});
    exec(10);
    EXPECT_EQ(unsettled(), (std::pair{Pids{}, Pids{10}})) << "for its program alone";
    scan({seen(10, {Mode::v2})}, 0, true);
    exec(10);
    EXPECT_EQ(unsettled().first, Pids{10}) << "the first since events were lost";
}

TEST_F(RegistryExec, HasNotThePolicyOfAnEarlierOneThatWasLost) {
    scan({seen(10, {Mode::v1})});
    latches(10, legacy);
    scan({seen(10, {Mode::v1})}, 0, true); // the event of that exec is lost
    exec(10);
    EXPECT_EQ(registry->find(10)->policy, Policy{});
    EXPECT_EQ(unsettled().first, Pids{10});
}

TEST_F(RegistryExec, OfAnUnknownProcessTellsAllButWhereItCameFrom) {
    exec(10, 12);
    EXPECT_EQ(threads_of(10), Pids{10});
    EXPECT_EQ(mode_of(10), Mode::none);
    EXPECT_EQ(registry->find(10)->comm.view(), "program");
    EXPECT_EQ(registry->find(10)->policy, Policy{});
    EXPECT_EQ(registry->find(10)->cgroup, nullptr);
    EXPECT_EQ(unsettled().first, Pids{10}) << "for its policy";
}

TEST_F(RegistryExec, APolicyToldOfAnUnknownProcessIsKept) {
    latches(10, legacy);
    EXPECT_EQ(mode_of(10), Mode::unknown);
    exec(10);
    EXPECT_EQ(registry->find(10)->policy, legacy);
}

// Exit: kernel/exit.c

TEST_F(RegistryExit, OfAThreadLeavesTheOthers) {
    scan({seen(10, {Mode::v2, Mode::v1})});
    exits(11, false);
    EXPECT_EQ(threads_of(10), Pids{10});
    EXPECT_EQ(mode_of(10), Mode::v2);
}

TEST_F(RegistryExit, OfTheLastThreadIsTheEndOfTheProcess) {
    scan({seen(10, {Mode::v2, Mode::v2})});
    exits(11, false);
    exits(10, true);
    EXPECT_EQ(mode_of(10), absent);
    EXPECT_EQ(registry->thread_size(), 0U);
}

TEST_F(RegistryExit, TheKernelsWordForTheEndOfTheGroupIsFinal) {
    scan({seen(10, {Mode::v2, Mode::v2})});
    exits(11, true);
    EXPECT_EQ(mode_of(10), absent);
    exits(10, false); // counted down first, told last
    EXPECT_EQ(registry->process_size(), 0U);
    EXPECT_EQ(registry->thread_size(), 0U);
    EXPECT_EQ(kinds(), Kinds{});
}

TEST_F(RegistryExit, WhereTheKernelDoesNotSayTheThreadsAreCounted) {
    scan({seen(10, {Mode::v2, Mode::v2})});
    exits(10, std::nullopt);
    EXPECT_EQ(threads_of(10), Pids{11});
    exits(11, std::nullopt);
    EXPECT_EQ(mode_of(10), absent);
}

TEST_F(RegistryExit, OfTheLeaderLeavesTheProcessToItsOtherThreads) {
    scan({seen(10, {Mode::v1, Mode::v2})});
    exits(10, false);
    EXPECT_EQ(mode_of(10), Mode::v2);
    EXPECT_EQ(threads_of(10), Pids{11});
    EXPECT_EQ(registry->find(10)->comm.view(), "seen");
    thread(11, 12);
    EXPECT_EQ(threads_of(10), (Pids{11, 12}));
}

TEST_F(RegistryExit, OfTheCallerOfAnExecThatFailedHalfWayIsTheEndOfTheProcess) {
    for (const auto group_dead : {std::optional<bool>(), std::optional(true)}) {
        scan({seen(10, {Mode::v1, Mode::v2})});
        exits(10, group_dead ? std::optional(false) : std::nullopt);
        exits(10, group_dead); // 11 has this number now
        EXPECT_EQ(mode_of(10), absent);
        EXPECT_EQ(registry->thread_size(), 0U);
    }
}

TEST_F(RegistryExit, OfTheLeaderAloneIsToBeSettledWhereTheKernelDoesNotSay) {
    for (const auto group_dead : {std::optional<bool>(), std::optional(false)}) {
        scan({seen(10, {Mode::v1, Mode::v1})});
        exits(10, group_dead);
        EXPECT_EQ(unsettled().first, group_dead ? Pids{} : Pids{10});
        exits(11, group_dead ? std::optional(true) : std::nullopt);
    }
}

TEST_F(RegistryExit, OfTheLastKnownThreadOfAGroupThatIsNotDeadIsToBeSettled) {
    scan({seen(10, {Mode::v1})});
    exits(10, false);
    EXPECT_EQ(mode_of(10), Mode::unknown);
    EXPECT_EQ(unsettled().first, Pids{10});
}

TEST_F(RegistryExit, OfAnUnknownThreadSaysNothing) {
    scan({seen(10, {Mode::v1})});
    exits(20, true);
    EXPECT_EQ(registry->process_size(), 1U);
    EXPECT_EQ(kinds(), Kinds{});
    EXPECT_FALSE(registry->needs_rescan());
}
