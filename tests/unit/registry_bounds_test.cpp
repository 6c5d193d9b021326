// SPDX-License-Identifier: GPL-2.0-or-later
// That memory is bounded, whatever processes do, and that what is missing for it is said.
#include "unit/registry_fixture.h"

#include <malloc.h>

#include <cerrno>

using namespace rseq;
using namespace rseq::registry;

namespace {

using RegistryBounds = RegistryTest;

/// As long as a path can be, and no other number has it.
std::string long_path(pid_t number) {
    std::string path = "/" + std::to_string(number) + "/";
    path.resize(longest_path, 'a');
    return path;
}

} // namespace

TEST_F(RegistryBounds, ThreadsBeyondTheLimitAreRefusedCountedAndSaid) {
    use(patched_kernel(), {.threads = 3});
    scan({seen(10, {Mode::v2})});
    now += step_ns;
    thread(10, 11);
    fork(10, 20);
    EXPECT_FALSE(registry->health().incomplete);
    thread(10, 12);
    fork(10, 30);
    registers(41, 40, 2);
    exec(50);
    latches(60, Policy{});
    EXPECT_EQ(registry->thread_size(), 3U);
    EXPECT_EQ(registry->process_size(), 2U);
    EXPECT_EQ(registry->health().refused_threads, 5U);
    EXPECT_TRUE(registry->health().incomplete);
    EXPECT_EQ(registry->process_counts().total(), 2U);
}

TEST_F(RegistryBounds, ARegistrationIsToldEvenIfThereIsNoRoomForItsThread) {
    use(patched_kernel(), {.threads = 1});
    scan({seen(10, {Mode::v2})});
    registers(41, 40, 2);
    EXPECT_EQ(told,
              (std::vector<Told>{{ChangeKind::registered, 40, 41, Mode::unknown, Mode::v2, ""}}));
    registers(11, 10, 2);
    EXPECT_EQ(kinds(), Kinds{ChangeKind::registered});
    EXPECT_EQ(threads_of(10), Pids{10});
}

TEST_F(RegistryBounds, AScanOfMoreThanTheLimitTakesWhatFits) {
    use(patched_kernel(), {.threads = 3});
    scan({seen(10, {Mode::v2, Mode::v2}), seen(20, {Mode::v2, Mode::v2}), seen(30, {Mode::v2})});
    EXPECT_EQ(registry->thread_size(), 3U);
    EXPECT_EQ(registry->process_size(), 2U);
    EXPECT_TRUE(registry->health().incomplete);
    EXPECT_FALSE(registry->needs_rescan()) << "it would be the same";
}

TEST_F(RegistryBounds, ARescanRepairsWhatWasRefusedAsSoonAsThereIsRoom) {
    use(patched_kernel(), {.threads = 32});
    std::vector<snapshot::Process> all;
    for (pid_t pid = 1; pid <= 40; pid++) {
        all.push_back(seen(pid * 10, {Mode::v2}));
    }
    scan(all);
    EXPECT_FALSE(registry->needs_rescan());
    exits(10, true);
    exits(20, true);
    EXPECT_FALSE(registry->needs_rescan()) << "that little room is not worth it";
    exits(30, true);
    EXPECT_TRUE(registry->needs_rescan());
    all.erase(all.begin(), all.begin() + 8);
    scan(all);
    EXPECT_EQ(registry->process_size(), 32U);
    EXPECT_FALSE(registry->health().incomplete);
    EXPECT_FALSE(registry->needs_rescan());
}

TEST_F(RegistryBounds, AnExecAtTheLimitReplacesTheThreadsOfTheProcess) {
    use(patched_kernel(), {.threads = 2});
    scan({seen(10, {Mode::v2, Mode::v2})});
    exec(10, 11);
    EXPECT_EQ(threads_of(10), Pids{10});
    EXPECT_FALSE(registry->health().incomplete);
}

TEST_F(RegistryBounds, TheLastEightRefusalsOfAProcessAreRemembered) {
    scan({seen(10, {Mode::v1})});
    for (int error = 1; error <= 11; error++) {
        is_refused(10, 10, error);
    }
    const auto refusals = registry->refusals(*registry->find(10));
    ASSERT_EQ(refusals.size(), 8U);
    EXPECT_EQ(refusals.front().error, 4);
    EXPECT_EQ(refusals.back().error, 11);
}

TEST_F(RegistryBounds, OfTooManyProcessesWithRefusalsThoseOfLongestAgoAreForgotten) {
    use(patched_kernel(), {.refusal_logs = 2});
    scan({seen(10, {Mode::v1}), seen(20, {Mode::v1}), seen(30, {Mode::v1})});
    is_refused(10, 10, EBUSY);
    is_refused(20, 20, EBUSY);
    is_refused(10, 10, EBUSY);
    is_refused(30, 30, EBUSY);
    EXPECT_EQ(registry->refusals(*registry->find(10)).size(), 2U);
    EXPECT_EQ(registry->refusals(*registry->find(20)).size(), 0U);
    EXPECT_EQ(registry->refusals(*registry->find(30)).size(), 1U);
    exits(10, true);
    is_refused(20, 20, EBUSY);
    EXPECT_EQ(registry->refusals(*registry->find(30)).size(), 1U) << "an end made room";
}

TEST_F(RegistryBounds, WithoutRoomForRefusalsTheyAreOnlyTold) {
    use(patched_kernel(), {.refusal_logs = 0});
    scan({seen(10, {Mode::v1})});
    is_refused(10, 10, EBUSY);
    EXPECT_EQ(kinds(), Kinds{ChangeKind::refused});
    EXPECT_TRUE(registry->refusals(*registry->find(10)).empty());
}

TEST_F(RegistryBounds, PathsAreCut) {
    const std::string path = "/" + std::string(10000, 'a');
    scan({seen(10, {Mode::v1})});
    exec(10, 10, path);
    apply(1, event::CgroupEntered{10, 7, path});
    EXPECT_EQ(registry->find(10)->exe_path(), path.substr(0, 4096));
    EXPECT_EQ(registry->find(10)->cgroup_path(), path.substr(0, 4096));
    auto process = seen(10, {Mode::v1});
    process.exe = path;
    process.cgroup = path + "b";
    scan({process});
    EXPECT_EQ(registry->find(10)->exe_path(), path.substr(0, 4096));
    EXPECT_EQ(registry->find(10)->cgroup_path(), path.substr(0, 4096));
}

TEST_F(RegistryBounds, LongPathsOfFortyThousandProcessesStayWithinTheirBudget) {
    constexpr std::size_t budget = 64U << 20U;
    scan({seen(1, {Mode::v2})});
    now += step_ns;
    const std::size_t before = ::mallinfo2().uordblks;
    for (pid_t pid = 1000; pid < 41'000; pid++) {
        fork(1, pid);
        exec(pid, pid, long_path(pid));
        apply(1, event::CgroupEntered{pid, 7, long_path(pid)});
    }
    const std::size_t taken = ::mallinfo2().uordblks - before; // 0: this allocator does not say
    EXPECT_EQ(registry->process_size(), 40'001U);
    EXPECT_EQ(registry->find(1000)->exe_path(), long_path(1000));
    EXPECT_EQ(registry->find(1000)->cgroup_path(), long_path(1000));
    EXPECT_EQ(registry->find(40'999)->exe_path(), "");
    EXPECT_EQ(registry->find(40'999)->cgroup, nullptr);
    EXPECT_LE(registry->path_bytes(), budget);
    EXPECT_LT(taken, budget + (32U << 20U)) << "with the processes themselves";
    EXPECT_GT(registry->health().refused_paths, 60'000U);
    EXPECT_TRUE(registry->health().paths_incomplete);
    EXPECT_FALSE(registry->health().incomplete);
    EXPECT_FALSE(registry->needs_rescan()) << "it would be the same";
}

TEST_F(RegistryBounds, ManyProgramsDoNotTakeTheRoomOfCgroups) {
    use(patched_kernel(), {.path_bytes = 1U << 16U});
    for (pid_t pid = 100; pid < 140; pid++) {
        exec(pid, pid, long_path(pid));
    }
    apply(1, event::CgroupEntered{139, 7, "/system.slice/mongod.service"});
    EXPECT_EQ(registry->find(139)->exe_path(), "");
    EXPECT_EQ(registry->find(139)->unit().name, "mongod.service");
}

TEST_F(RegistryBounds, ManyLongPathsDoNotTakeTheRoomOfOthers) {
    use(patched_kernel(), {.path_bytes = 1U << 17U});
    for (pid_t pid = 100; pid < 140; pid++) {
        exec(pid, pid, long_path(pid));
        apply(1, event::CgroupEntered{pid, 7, long_path(pid)});
    }
    EXPECT_EQ(registry->find(139)->cgroup, nullptr);
    for (int i = 0; i < 50; i++) {
        const std::string name = "db" + std::to_string(i);
        exec(200 + i, 200 + i, "/usr/bin/" + name);
        apply(1, event::CgroupEntered{200 + i, 7, "/system.slice/" + name + ".service"});
        EXPECT_EQ(registry->find(200 + i)->exe_path(), "/usr/bin/" + name);
        EXPECT_EQ(registry->find(200 + i)->unit().name, name + ".service");
    }
    EXPECT_FALSE(registry->needs_rescan()) << "long ones still have no room";
}

TEST_F(RegistryBounds, APathThatAScanLeftOutIsAskedFor) {
    auto process = seen(10, {Mode::v2});
    process.cgroup.clear();
    process.exe.clear();
    process.paths_left_out = true;
    scan({process, seen(20, {Mode::v2})});
    const auto unsettled = registry->take_unsettled();
    ASSERT_EQ(unsettled.size(), 1U);
    EXPECT_EQ(unsettled[0].pid, 10);
    EXPECT_FALSE(unsettled[0].modes);
}

TEST_F(RegistryBounds, PathsOfProcessesThatEndedGiveTheirBytesBack) {
    use(patched_kernel(), {.path_bytes = 1U << 17U}); // room for 15 long ones
    for (pid_t pid = 100; pid < 120; pid++) {
        exec(pid, pid, long_path(pid));
        apply(1, event::CgroupEntered{pid, 7, long_path(pid)});
    }
    EXPECT_EQ(registry->find(119)->exe_path(), "");
    EXPECT_EQ(registry->health().refused_paths, 10U);
    exits(100, true);
    EXPECT_FALSE(registry->needs_rescan()) << "the one that is gone is kept until the next event";
    exits(101, true);
    EXPECT_TRUE(registry->needs_rescan());
    auto process = seen(119, {Mode::v2});
    process.exe = long_path(119);
    process.cgroup = long_path(119);
    scan({process});
    EXPECT_EQ(registry->find(119)->exe_path(), long_path(119));
    EXPECT_EQ(registry->find(119)->cgroup_path(), long_path(119));
    EXPECT_FALSE(registry->health().paths_incomplete);
    EXPECT_FALSE(registry->needs_rescan());
    exits(119, true);
    exits(119, true); // not known any more
    EXPECT_EQ(registry->process_size(), 0U);
    EXPECT_EQ(registry->path_bytes(), 0U);
}

TEST_F(RegistryBounds, ProcessesOfOneProgramShareItsPath) {
    exec(10);
    exec(20);
    EXPECT_EQ(registry->find(10)->exe, registry->find(20)->exe);
    const std::size_t bytes = registry->path_bytes();
    fork(10, 30);
    exec(30);
    EXPECT_EQ(registry->path_bytes(), bytes);
}

TEST_F(RegistryBounds, ProcessesOfOneCgroupShareIt) {
    scan({seen(10, {Mode::v1}), seen(20, {Mode::v1})});
    EXPECT_EQ(registry->find(10)->cgroup, registry->find(20)->cgroup);
    apply(1, event::CgroupEntered{10, 7, "/a"});
    apply(1, event::CgroupEntered{20, 7, "/a"});
    EXPECT_EQ(registry->find(10)->cgroup, registry->find(20)->cgroup);
}

TEST_F(RegistryBounds, FourHundredProcessesOfTenThreadsTakeLessThanAMegabyte) {
    std::vector<snapshot::Process> all;
    for (pid_t pid = 1000; pid < 9000; pid += 20) {
        all.push_back(seen(pid, {Mode::v2, Mode::v2, Mode::v2, Mode::v2, Mode::v2, Mode::v2,
                                 Mode::v2, Mode::v2, Mode::v2, Mode::v2}));
        all.back().cgroup = "/system.slice/service-" + std::to_string(pid) + ".service";
        all.back().exe = "/usr/lib/package/program-" + std::to_string(pid);
    }
    const std::size_t before = ::mallinfo2().uordblks;
    scan(all);
    const std::size_t taken = ::mallinfo2().uordblks - before;
    EXPECT_EQ(registry->thread_size(), 4000U);
    if (taken == 0) {
        GTEST_SKIP() << "this allocator does not say what it gave";
    }
    EXPECT_LT(taken, 1U << 20U);
}

TEST_F(RegistryBounds, AStormOfShortProcessesLeavesNothing) {
    scan({seen(10, {Mode::v2})});
    now += step_ns;
    for (int i = 0; i < 20'000; i++) {
        const pid_t pid = 100 + i % 5000;
        vfork(10, pid);
        exec(pid);
        registers(pid, pid, 2);
        thread(pid, pid + 10'000);
        apply(1, event::CgroupEntered{pid, 7, "/run-" + std::to_string(i)});
        exits(pid + 10'000, false);
        exits(pid, true);
    }
    EXPECT_EQ(registry->process_size(), 1U);
    EXPECT_EQ(registry->thread_size(), 1U);
    EXPECT_LT(registry->path_bytes(), 4096U) << "one program and one cgroup, and of the last gone";
    EXPECT_EQ(registry->process_counts(), ProcessCounts{.v2 = 1});
    EXPECT_EQ(registry->thread_counts(), ModeCounts{.v2 = 1});
    EXPECT_FALSE(registry->needs_rescan());
    EXPECT_TRUE(registry->take_unsettled().empty());
}
