// SPDX-License-Identifier: GPL-2.0-or-later
// Events that follow a scan which saw what they tell: once more is the same.
#include "unit/registry_fixture.h"

using namespace rseq;
using namespace rseq::registry;

namespace {

using RegistryReplay = RegistryTest;

/// As it is seen when its leader has begun to exit.
snapshot::Process without_leader(snapshot::Process process) {
    process.threads.remove(process.thread_list.front().mode);
    process.thread_list.erase(process.thread_list.begin());
    return process;
}

} // namespace

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

TEST_F(RegistryReplay, OfTheEndOfAGroupOnceAThreadOfItHadTheNumberLeavesTheGroupThatHasItNow) {
    scan({seen(10, {Mode::v2, Mode::v2, Mode::v2})}, a_while); // 11 was of a group that ended
    exits(11, true);
    EXPECT_EQ(threads_of(10), (Pids{10, 12}));
    EXPECT_EQ(unsettled().first, Pids{10});
    now += a_while;
    exits(12, true);
    EXPECT_EQ(mode_of(10), absent) << "no scan can have seen a later one";
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

TEST_F(RegistryReplay, OfTheStartOfAThreadByALeaderThatWasExitingGoesToItsGroup) {
    scan({without_leader(seen(10, {Mode::v2, Mode::v2}))}, a_while);
    thread(10, 12);
    EXPECT_EQ(threads_of(10), (Pids{11, 12}));
    EXPECT_FALSE(registry->needs_rescan());
}

TEST_F(RegistryReplay, OfTheExitOfALeaderThatWasExitingLeavesTheOthers) {
    for (const auto group_dead : {std::optional<bool>(), std::optional(false)}) {
        scan({seen(10, {Mode::v2, Mode::v2})});
        exits(10, group_dead);
        exec(10, 11); // it has a leader again, whose exit is the first one
        scan({without_leader(seen(10, {Mode::v2, Mode::v2}))}, a_while);
        exits(10, group_dead);
        EXPECT_EQ(threads_of(10), Pids{11});
        exits(10,
              group_dead ? std::optional(true) : std::nullopt); // of the caller of a failed exec
        EXPECT_EQ(mode_of(10), absent);
    }
}

TEST_F(RegistryReplay, OfEventsOfAnEarlierThreadDoesNotTouchTheOneThatStartsAfterThem) {
    scan({seen(10, {Mode::v2, Mode::v2, Mode::v2})}, a_while);
    apply(11, event::Renamed{11, "earlier"});
    thread(10, 11);
    EXPECT_EQ(registry->find_thread(11)->comm.view(), "child");
    EXPECT_EQ(mode_of_thread(11), Mode::none) << "all that happened since follows";
    registers(12, 10, 1);
    thread(10, 12);
    EXPECT_EQ(mode_of_thread(12), Mode::none);
}

TEST_F(RegistryReplay, OfEventsOfAnEarlierProcessDoesNotTouchTheOneThatStartsAfterThem) {
    const std::vector<event::Payload> earlier{
        event::Renamed{20, "earlier"}, event::CgroupEntered{20, 7, "/earlier"},
        event::Registered{20, std::uint8_t{1}, 32, 0, 0, SliceState::unavailable, 0},
        event::PolicyLatched{20, legacy}, event::Exited{21, false}};
    for (const event::Payload& payload : earlier) {
        for (const bool leader_seen : {true, false}) {
            auto child = seen(20, {Mode::v2, Mode::v2, Mode::v2});
            scan({seen(1, {Mode::v2}), leader_seen ? child : without_leader(child)}, a_while);
            apply(20, payload);
            vfork(1, 20);
            EXPECT_EQ(threads_of(20), Pids{20}) << "all that happened since follows";
            EXPECT_EQ(mode_of(20), Mode::none);
            EXPECT_EQ(registry->find(20)->comm.view(), "child");
            EXPECT_EQ(registry->find(20)->cgroup_path(), "/system.slice/seen.service");
            exec(20);
            EXPECT_EQ(registry->find(20)->policy, Policy{});
        }
    }
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
    exec(10);
    unregisters(10, 10);
    scan_only({10}, {seen(10, {Mode::v1})});
    EXPECT_EQ(mode_of(10), Mode::v1) << "there was one, if it could end";
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
