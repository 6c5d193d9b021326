// SPDX-License-Identifier: GPL-2.0-or-later
// What events make of names and cgroups, and which changes are told.
#include "unit/registry_fixture.h"

#include <cerrno>

using namespace rseq;
using namespace rseq::registry;

namespace {

using RegistryNames = RegistryTest;
using RegistryTells = RegistryTest;

} // namespace

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
