// SPDX-License-Identifier: GPL-2.0-or-later
// What each event means.
#include "unit/registry_fixture.h"

#include <cerrno>

using namespace rseq;
using namespace rseq::registry;

namespace {

using RegistryStart = RegistryTest;
using RegistryExec = RegistryTest;
using RegistryExit = RegistryTest;
using RegistryRegistration = RegistryTest;
using RegistryNames = RegistryTest;
using RegistryTells = RegistryTest;
using RegistryOnStockKernels = RegistryTest;

constexpr std::uint64_t clone_into_cgroup = 0x200000000;
constexpr Policy legacy{PolicyMode::legacy, PolicySlice::deny};
const std::optional<Mode> absent;

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
    start(10, 20, clone_into_cgroup);
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

// Registration: kernel/rseq.c

TEST_F(RegistryRegistration, OfTheThreadThatCalled) {
    scan({seen(10, {Mode::none, Mode::none})});
    registers(11, 10, 2, SliceState::available);
    EXPECT_EQ(mode_of_thread(10), Mode::none);
    EXPECT_EQ(mode_of_thread(11), Mode::v2);
    EXPECT_EQ(registry->find_thread(11)->length, 33U);
    EXPECT_EQ(registry->find_thread(11)->slice, SliceState::available);
    EXPECT_EQ(registry->find(10)->source, Evidence::trace);
}

TEST_F(RegistryRegistration, TheKernelsWordCountsAndNotTheLength) {
    scan({seen(10, {Mode::none})});
    apply(10, event::Registered{10, std::uint8_t{1}, 64, 0, 1, SliceState::unavailable, 0});
    EXPECT_EQ(mode_of(10), Mode::v1);
    EXPECT_EQ(registry->find_thread(10)->length, 64U);
}

TEST_F(RegistryRegistration, OneThreadInV1AndAnotherInV2IsMixed) {
    scan({seen(10, {Mode::none, Mode::none})});
    registers(10, 10, 1);
    registers(11, 10, 2);
    EXPECT_EQ(mode_of(10), Mode::mixed);
    EXPECT_EQ(registry->process_counts(), ProcessCounts{.mixed = 1});
    EXPECT_EQ(registry->thread_counts(), (ModeCounts{.v1 = 1, .v2 = 1}));
    exits(11, false);
    EXPECT_EQ(mode_of(10), Mode::v1);
}

TEST_F(RegistryRegistration, EndsWithItsUnregistration) {
    scan({seen(10, {Mode::v2})});
    unregisters(10, 10);
    EXPECT_EQ(mode_of(10), Mode::none);
    EXPECT_EQ(registry->find_thread(10)->length, 0U);
    EXPECT_EQ(registry->find_thread(10)->slice, SliceState::unavailable);
}

TEST_F(RegistryRegistration, ARefusedAttemptChangesNothingAndIsRemembered) {
    scan({seen(10, {Mode::v1})});
    is_refused(10, 10, EBUSY);
    EXPECT_EQ(mode_of(10), Mode::v1);
    EXPECT_EQ(registry->find_thread(10)->length, 32U);
    EXPECT_EQ(registry->find(10)->source, Evidence::procfs);
    const auto refusals = registry->refusals(*registry->find(10));
    ASSERT_EQ(refusals.size(), 1U);
    EXPECT_EQ(refusals[0].time_ns, now);
    EXPECT_EQ(refusals[0].tid, 10);
    EXPECT_EQ(refusals[0].error, EBUSY);
    EXPECT_EQ(refusals[0].length, 48U);
}

TEST_F(RegistryRegistration, ARefusedUnregistrationChangesNothing) {
    scan({seen(10, {Mode::v2})});
    unregisters(10, 10, EPERM);
    EXPECT_EQ(mode_of(10), Mode::v2);
    EXPECT_EQ(kinds(), Kinds{ChangeKind::unregister_refused});
}

TEST_F(RegistryRegistration, OfAnUnknownThreadMakesItKnown) {
    scan({seen(10, {Mode::v2})});
    registers(11, 10, 2);
    EXPECT_EQ(threads_of(10), (Pids{10, 11}));
    EXPECT_EQ(unsettled().first, Pids{10}) << "who knows what else was missed";
}

TEST_F(RegistryRegistration, OfAnUnknownProcessLeavesItsOtherThreadsToBeFound) {
    registers(11, 10, 2);
    EXPECT_EQ(threads_of(10), Pids{11});
    EXPECT_EQ(mode_of(10), Mode::v2);
    EXPECT_EQ(registry->find(10)->policy, std::nullopt);
    EXPECT_EQ(unsettled().first, Pids{10});
}

TEST_F(RegistryRegistration, OfAThreadThatIsInAnotherGroupNowMovesIt) {
    scan({seen(10, {Mode::v2, Mode::v2}), seen(30, {Mode::v1})});
    registers(11, 30, 1);
    EXPECT_EQ(threads_of(10), Pids{10});
    EXPECT_EQ(threads_of(30), (Pids{11, 30}));
}

TEST_F(RegistryRegistration, SlicesAreEnabledByThePrctl) {
    scan({seen(10, {Mode::v2})});
    apply(10, event::SliceEnabled{10, true, 0});
    EXPECT_EQ(registry->find_thread(10)->slice, SliceState::enabled);
    EXPECT_EQ(registry->find(10)->slice_enabled, 1U);
    apply(10, event::SliceEnabled{10, false, 524});
    EXPECT_EQ(registry->find(10)->slice_enabled, 1U) << "refused";
    apply(10, event::SliceEnabled{10, false, 0});
    EXPECT_EQ(registry->find_thread(10)->slice, SliceState::available);
    EXPECT_EQ(registry->find(10)->slice_enabled, 0U);
}

TEST_F(RegistryRegistration, EnabledSlicesEndWithTheThread) {
    scan({seen(10, {Mode::v2, Mode::v2})});
    apply(11, event::SliceEnabled{10, true, 0});
    exits(11, false);
    EXPECT_EQ(registry->find(10)->slice_enabled, 0U);
}

// Names and cgroups

TEST_F(RegistryNames, OfTheLeaderIsThatOfTheProcess) {
    scan({seen(10, {Mode::v2, Mode::v2})});
    apply(10, event::Renamed{11, "worker"});
    EXPECT_EQ(registry->find_thread(11)->comm.view(), "worker");
    EXPECT_EQ(registry->find(10)->comm.view(), "seen");
    apply(7, event::Renamed{10, "by another"});
    EXPECT_EQ(registry->find_thread(10)->comm.view(), "by another");
    EXPECT_EQ(registry->find(10)->comm.view(), "by another");
}

TEST_F(RegistryNames, AreCutAsTheKernelCutsThem) {
    scan({seen(10, {Mode::v2})});
    apply(10, event::Renamed{10, "0123456789abcdefgh"});
    EXPECT_EQ(registry->find(10)->comm.view(), "0123456789abcde");
    apply(10, event::Renamed{10, std::string("a\0b", 3)});
    EXPECT_EQ(registry->find(10)->comm.view(), "a");
    apply(10, event::Renamed{10, ""});
    EXPECT_EQ(registry->find(10)->comm.view(), "");
}

TEST_F(RegistryNames, ACgroupIsEnteredByTheWholeProcess) {
    scan({seen(10, {Mode::v2, Mode::v2})});
    apply(1, event::CgroupEntered{
                 10, 77, "/user.slice/user-1000.slice/user@1000.service/app.slice/a.service"});
    EXPECT_EQ(registry->find(10)->unit().display_name(), "user@1000/a.service");
    apply(1, event::CgroupEntered{11, 78, "/system.slice/b.service"});
    EXPECT_EQ(registry->find(10)->unit().name, "a.service") << "a thread alone, in a threaded one";
}

TEST_F(RegistryNames, ACgroupIsEnteredByAProcessWhoseLeaderHasExited) {
    scan({seen(10, {Mode::v2, Mode::v2})});
    exits(10, false);
    apply(1, event::CgroupEntered{10, 77, "/system.slice/b.service"});
    EXPECT_EQ(registry->find(10)->unit().name, "b.service");
}

TEST_F(RegistryNames, OfWhatIsNotKnownMakeNothing) {
    apply(1, event::CgroupEntered{10, 77, "/a"});
    apply(1, event::Renamed{10, "a"});
    apply(1, event::CgroupMade{77, "/a"});
    EXPECT_EQ(registry->process_size(), 0U);
    EXPECT_EQ(kinds(), Kinds{});
}

// Changes

TEST_F(RegistryTells, OfProcessesThatAppearChangeTheirModeAndEnd) {
    scan({seen(10, {Mode::v2})});
    EXPECT_EQ(told, (std::vector<Told>{
                        {ChangeKind::appeared, 10, 10, Mode::unknown, Mode::unknown, "seen"}}));
    fork(10, 20);
    EXPECT_EQ(kinds(), Kinds{ChangeKind::appeared});
    thread(20, 21);
    EXPECT_EQ(kinds(), Kinds{}) << "a thread alone changes nothing of the process";
    exec(20);
    EXPECT_EQ(kinds(), (Kinds{ChangeKind::mode_changed, ChangeKind::executed}));
    EXPECT_EQ(told[0].before, Mode::v2);
    EXPECT_EQ(told[0].after, Mode::none);
    exits(20, true);
    EXPECT_EQ(kinds(), Kinds{ChangeKind::gone});
    EXPECT_EQ(told[0].before, Mode::none);
}

TEST_F(RegistryTells, WhatAProcessThatHasEndedWas) {
    scan({seen(10, {Mode::v2, Mode::v2})});
    now += step_ns;
    const Event exit{now, 10, event::Exited{10, true}};
    const Changes changes = registry->apply(exit);
    ASSERT_EQ(changes.size(), 1U);
    const Process* process = changes[0].process;
    ASSERT_NE(process, nullptr);
    EXPECT_EQ(process->pid, 10);
    EXPECT_EQ(process->mode(), Mode::v2);
    EXPECT_EQ(process->threads.v2, 2U);
    EXPECT_EQ(process->exe_path(), "/usr/bin/seen");
    EXPECT_EQ(process->unit().name, "seen.service");
    EXPECT_EQ(changes[0].event, &exit);
}

TEST_F(RegistryTells, OfRegistrationsOfAThread) {
    scan({seen(10, {Mode::none, Mode::v2})});
    apply(10, event::Renamed{11, "worker"});
    unregisters(11, 10);
    EXPECT_EQ(told, (std::vector<Told>{
                        {ChangeKind::mode_changed, 10, 10, Mode::v2, Mode::none, "seen"},
                        {ChangeKind::unregistered, 10, 11, Mode::v2, Mode::none, "worker"}}));
    registers(11, 10, 1);
    EXPECT_EQ(told, (std::vector<Told>{
                        {ChangeKind::mode_changed, 10, 10, Mode::none, Mode::v1, "seen"},
                        {ChangeKind::registered, 10, 11, Mode::none, Mode::v1, "worker"}}));
    is_refused(11, 10, EINVAL);
    EXPECT_EQ(told,
              (std::vector<Told>{{ChangeKind::refused, 10, 11, Mode::v1, Mode::v1, "worker"}}));
}

TEST_F(RegistryTells, WhoTheVictimOfAViolationWas) {
    auto victim = seen(10, {Mode::v2, Mode::v2}, 4711);
    victim.policy = legacy;
    scan({victim});
    apply(10, event::Renamed{11, "worker"});
    const Event killed{now, 11, event::Violation{10, 2, "cpu_id_start", 3, 0x80000003, 0x1234}};
    const Changes changes = registry->apply(killed);
    ASSERT_EQ(changes.size(), 1U);
    const Change& change = changes[0];
    EXPECT_EQ(change.kind, ChangeKind::violation);
    EXPECT_EQ(change.pid, 10);
    EXPECT_EQ(change.tid, 11);
    EXPECT_EQ(change.comm, "worker");
    EXPECT_EQ(change.event, &killed);
    EXPECT_EQ(change.process->key(), (ProcessKey{10, 4711}));
    EXPECT_EQ(change.process->exe_path(), "/usr/bin/seen");
    EXPECT_EQ(change.process->cgroup_path(), "/system.slice/seen.service");
    EXPECT_EQ(change.process->unit().name, "seen.service");
    EXPECT_EQ(change.process->policy, legacy);
}

TEST_F(RegistryTells, OfAViolationByAThreadThatIsNotKnownWithoutMakingOne) {
    apply(11, event::Violation{10, 2, "cpu_id", 1, 2, 3});
    EXPECT_EQ(told, (std::vector<Told>{
                        {ChangeKind::violation, 10, 11, Mode::unknown, Mode::unknown, ""}}));
    EXPECT_EQ(registry->process_size(), 0U);
    scan({seen(10, {Mode::v2})});
    apply(11, event::Violation{10, 2, "cpu_id", 1, 2, 3});
    EXPECT_EQ(told[0].comm, "seen") << "better than nothing";
}

TEST_F(RegistryTells, OfPoliciesAndSlices) {
    scan({seen(10, {Mode::v2})});
    latches(10, legacy);
    EXPECT_EQ(kinds(), Kinds{ChangeKind::policy_latched});
    apply(10, event::SliceGranted{10, 5000});
    EXPECT_EQ(kinds(), Kinds{ChangeKind::slice});
    apply(10, event::SliceEnded{10, "yield", 400});
    EXPECT_EQ(kinds(), Kinds{ChangeKind::slice});
    apply(10, event::SliceEnabled{10, true, 0});
    EXPECT_EQ(kinds(), Kinds{ChangeKind::slice});
    EXPECT_EQ(told[0].tid, 10);
}

// Kernels without our events

TEST_F(RegistryOnStockKernels, ARegistrationIsJudgedByTheClassOfTheKernel) {
    for (const auto& [kernel_class, length, mode] :
         {std::tuple(KernelClass::historical, 33U, Mode::v1),
          std::tuple(KernelClass::broken, 32U, Mode::v2),
          std::tuple(KernelClass::dual, 32U, Mode::v1),
          std::tuple(KernelClass::dual, 33U, Mode::v2),
          std::tuple(KernelClass::unknown, 33U, Mode::unknown)}) {
        use(stock_kernel(kernel_class));
        auto process = seen(10, {Mode::none});
        process.policy.reset();
        scan({process});
        calls_rseq(10, length);
        EXPECT_EQ(mode_of(10), mode) << to_string(kernel_class) << " " << length;
    }
}

TEST_F(RegistryOnStockKernels, SlicesFollowWhatIsKnownOfTheKernel) {
    use(stock_kernel(KernelClass::dual));
    scan({seen(10, {Mode::none})});
    calls_rseq(10, 33);
    EXPECT_EQ(registry->find_thread(10)->slice, SliceState::unavailable);
    KernelFacts facts = stock_kernel(KernelClass::dual);
    facts.slices = Availability::yes;
    use(facts);
    scan({seen(10, {Mode::none})});
    calls_rseq(10, 33);
    EXPECT_EQ(registry->find_thread(10)->slice, SliceState::available);
}

TEST_F(RegistryOnStockKernels, ARefusedCallChangesNothing) {
    use(stock_kernel(KernelClass::dual));
    scan({seen(10, {Mode::none})});
    calls_rseq(10, 32, EBUSY);
    EXPECT_EQ(mode_of(10), Mode::none);
    EXPECT_EQ(registry->refusals(*registry->find(10)).size(), 1U);
}

TEST_F(RegistryOnStockKernels, ThereAreNoPolicies) {
    use(stock_kernel(KernelClass::dual));
    auto process = seen(10, {Mode::v2});
    process.policy.reset();
    scan({process});
    exec(10);
    EXPECT_EQ(registry->find(10)->policy, std::nullopt);
    fork(10, 20);
    EXPECT_EQ(registry->find(20)->policy, std::nullopt);
    EXPECT_EQ(unsettled(), (std::pair{Pids{}, Pids{10, 20}})) << "no reason to scan";
}

TEST_F(RegistryOnStockKernels, ACallOfAnUnknownThreadCannotBeGivenToAProcess) {
    use(stock_kernel(KernelClass::dual));
    scan({seen(10, {Mode::v2})});
    calls_rseq(11, 33);
    EXPECT_EQ(registry->thread_size(), 1U);
    EXPECT_EQ(kinds(), Kinds{ChangeKind::registered}) << "told all the same";
    EXPECT_EQ(told[0].pid, 0);
    EXPECT_EQ(told[0].tid, 11);
    EXPECT_TRUE(registry->needs_rescan());
}
