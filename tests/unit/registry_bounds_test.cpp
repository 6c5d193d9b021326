// SPDX-License-Identifier: GPL-2.0-or-later
// That memory is bounded, whatever processes do, and that what is missing for it is said.
#include "unit/registry_fixture.h"

#include <cerrno>

using namespace rseq;
using namespace rseq::registry;

namespace {

using RegistryBounds = RegistryTest;

const std::optional<Mode> absent;

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

TEST_F(RegistryBounds, ProcessesOfOneCgroupShareIt) {
    scan({seen(10, {Mode::v1}), seen(20, {Mode::v1})});
    EXPECT_EQ(registry->find(10)->cgroup, registry->find(20)->cgroup);
    apply(1, event::CgroupEntered{10, 7, "/a"});
    apply(1, event::CgroupEntered{20, 7, "/a"});
    EXPECT_EQ(registry->find(10)->cgroup, registry->find(20)->cgroup);
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
    EXPECT_EQ(registry->process_counts(), ProcessCounts{.v2 = 1});
    EXPECT_EQ(registry->thread_counts(), ModeCounts{.v2 = 1});
    EXPECT_FALSE(registry->needs_rescan());
    EXPECT_TRUE(registry->take_unsettled().empty());
}
