// SPDX-License-Identifier: GPL-2.0-or-later
#include "enforcer_fixture.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <string>
#include <vector>

namespace rseq::daemon {

namespace {

using policy::Rule;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

TEST_F(EnforcerTest, CgroupsAreWrittenAtOnceAndUnitsFollow) {
    cgroup("/system.slice/x.service");
    apply({legacy("x")});
    EXPECT_THAT(content("/system.slice/x.service"), HasSubstr("mode legacy\n"));
    EXPECT_THAT(drop_ins(), IsEmpty());
    EXPECT_FALSE(enforcer->idle());
    manager->answer();
    EXPECT_THAT(drop_ins(), ElementsAre("x.service"));
    EXPECT_THAT(manager->asked, ElementsAre("facts of x.service", "reload"));
    ASSERT_EQ(applied.size(), 1U);
    EXPECT_EQ(applied[0].outcomes.size(), 3U);
    EXPECT_TRUE(applied[0].complete());
    EXPECT_TRUE(enforcer->idle());
    EXPECT_FALSE(enforcer->held().reload_pending);
}

TEST_F(EnforcerTest, TheEndOfTheDaemonLeavesEverythingAndTheNextOnePutsItBack) {
    cgroup("/system.slice/x.service");
    apply_and_answer({legacy("x")});
    start();
    EXPECT_THAT(content("/system.slice/x.service"), HasSubstr("mode legacy\n"));
    EXPECT_THAT(drop_ins(), ElementsAre("x.service"));
    apply_and_answer({});
    EXPECT_THAT(content("/system.slice/x.service"), HasSubstr("mode auto\n"));
    EXPECT_THAT(drop_ins(), IsEmpty());
    EXPECT_THAT(enforcer->held().cgroups, IsEmpty());
}

TEST_F(EnforcerTest, ADaemonThatWasKilledBeforeTheReloadHasItsSuccessorReload) {
    apply({legacy("x")});
    manager->answer_one();
    EXPECT_THAT(drop_ins(), ElementsAre("x.service"));
    start();
    apply_and_answer({legacy("x")});
    EXPECT_THAT(manager->asked, ElementsAre("facts of x.service", "reload"));
    apply_and_answer({legacy("x")});
    EXPECT_THAT(manager->asked, ElementsAre("facts of x.service", "reload", "facts of x.service"));
}

TEST_F(EnforcerTest, AFileOfWhatIsHeldThatCannotBeUsedIsNoObstacle) {
    cgroup("/system.slice/x.service");
    runtime.file("held.json", "{\"version\":1");
    start();
    apply_and_answer({legacy("x")});
    EXPECT_THAT(content("/system.slice/x.service"), HasSubstr("mode legacy\n"));
    EXPECT_EQ(enforcer->held().cgroups.size(), 1U);
}

TEST_F(EnforcerTest, ADryRunChangesNothing) {
    cgroup("/system.slice/x.service");
    apply_and_answer({});
    apply_and_answer({legacy("x")});
    apply_and_answer({});
    applied.clear();
    // The rules are put into force behind the back of the tree.
    cgroups.file("system.slice/x.service/cgroup.rseq", "mode off\n\n\n\nslice allow\n");
    Rule rule = legacy("x");
    apply_and_answer({rule});
    cgroups.file("system.slice/x.service/cgroup.rseq", "mode off\n\n\n\nslice allow\n");
    applied.clear();
    enforcer->apply_again(true, [this](const Applied& one) { applied.push_back(one); });
    manager->answer();
    EXPECT_EQ(content("/system.slice/x.service"), "mode off\n\n\n\nslice allow\n");
    ASSERT_EQ(applied.size(), 1U);
    EXPECT_TRUE(applied[0].dry_run);
    ASSERT_EQ(applied[0].outcomes.size(), 1U);
    EXPECT_EQ(applied[0].outcomes[0].action.target, "/system.slice/x.service");
}

TEST_F(EnforcerTest, APlanOfOtherRulesLeavesThoseThatAreInForce) {
    cgroup("/system.slice/x.service");
    cgroup("/system.slice/y.service");
    apply_and_answer({legacy("x")});
    applied.clear();
    enforcer->plan({legacy("y")}, [this](const Applied& one) { applied.push_back(one); });
    // The rules of a plan that is still waiting are not those to be applied again.
    enforcer->apply_again(false, [this](const Applied& one) { applied.push_back(one); });
    manager->answer();
    ASSERT_EQ(applied.size(), 2U);
    EXPECT_TRUE(applied[0].dry_run);
    EXPECT_EQ(applied[0].outcomes.size(), 5U); // two cgroups, two drop-ins, a reload
    EXPECT_FALSE(applied[1].dry_run);
    EXPECT_THAT(applied[1].outcomes, IsEmpty());
    EXPECT_THAT(content("/system.slice/y.service"), HasSubstr("mode auto\n"));
    EXPECT_THAT(drop_ins(), ElementsAre("x.service"));
    EXPECT_EQ(enforcer->rules().at(0).name, "rule-for-x");
}

TEST_F(EnforcerTest, WhatIsNewWhenTheSameRulesAreAppliedAgainHasLostTheRace) {
    apply_and_answer({legacy("x*")});
    cgroup("/x1.service");
    apply_and_answer({legacy("x*")});
    EXPECT_TRUE(enforcer->held().cgroups.at("/x1.service").fresh);
    cgroup("/y1.service");
    apply_and_answer({legacy("x*"), legacy("y*")});
    EXPECT_FALSE(enforcer->held().cgroups.at("/y1.service").fresh);
}

TEST_F(EnforcerTest, CallsAreCarriedOutOneAfterTheOther) {
    cgroup("/system.slice/x.service");
    apply({legacy("x")});
    Rule other = legacy("x");
    other.mode = PolicyMode::off;
    apply({other});
    EXPECT_THAT(content("/system.slice/x.service"), HasSubstr("mode legacy\n"));
    manager->answer();
    EXPECT_EQ(applied.size(), 2U);
    EXPECT_THAT(content("/system.slice/x.service"), HasSubstr("mode off\n"));
    EXPECT_THAT(enforcer->drop_ins().at("x.service"), HasSubstr("mode=off"));
}

TEST_F(EnforcerTest, WhoeverIsToldMayAskForMore) {
    int told = 0;
    enforcer->apply({legacy("x")}, [&](const Applied&) {
        ++told;
        enforcer->apply({}, [&](const Applied&) { ++told; });
    });
    manager->answer();
    EXPECT_EQ(told, 2);
    EXPECT_THAT(drop_ins(), IsEmpty());
    EXPECT_TRUE(enforcer->idle());
}

TEST_F(EnforcerTest, AServiceManagerThatDoesNotAnswerLeavesWhatIsInForce) {
    Rule many = legacy("x*");
    manager->services = {"x1.service", "x2.service"};
    apply_and_answer({many});
    EXPECT_THAT(drop_ins(), ElementsAre("x1.service", "x2.service"));
    manager->error = Error{ETIMEDOUT, "no answer"};
    many.mode = PolicyMode::off;
    apply_and_answer({many});
    EXPECT_THAT(drop_ins(), ElementsAre("x1.service", "x2.service"));
    EXPECT_THAT(enforcer->drop_ins().at("x1.service"), HasSubstr("mode=legacy"));
    EXPECT_FALSE(applied.back().complete());
}

TEST_F(EnforcerTest, AReloadThatFailsIsToldAndTriedAgain) {
    apply({legacy("x")});
    manager->answer_one();
    manager->error = Error{EACCES, "polkit says no"};
    manager->answer();
    ASSERT_EQ(applied.size(), 1U);
    EXPECT_FALSE(applied[0].complete());
    EXPECT_TRUE(enforcer->held().reload_pending);
    manager->error.reset();
    apply_and_answer({legacy("x")});
    EXPECT_FALSE(enforcer->held().reload_pending);
}

TEST_F(EnforcerTest, WithoutAServiceManagerCgroupsAreAllThereIs) {
    cgroup("/x.service");
    enforcer.reset();
    enforcer = std::make_unique<Enforcer>(
        loop.get(), facts, enforce::CgroupTree(cgroups.open()),
        EnforcerPlaces{"/nonexistent/rseq-compat", runtime.path(), "/libexec/hold-cgroup"});
    apply({legacy("x")});
    ASSERT_EQ(applied.size(), 1U);
    EXPECT_EQ(applied[0].outcomes.size(), 1U);
    EXPECT_TRUE(applied[0].complete());
    EXPECT_THAT(content("/x.service"), HasSubstr("mode legacy\n"));
}

TEST_F(EnforcerTest, ANewCgroupIsWrittenAndPutBackLater) {
    apply_and_answer({legacy("x")});
    made("/system.slice/x.service");
    EXPECT_THAT(content("/system.slice/x.service"), HasSubstr("mode legacy\n"));
    EXPECT_TRUE(enforcer->held().cgroups.at("/system.slice/x.service").fresh);
    made("/system.slice/y.service");
    EXPECT_THAT(content("/system.slice/y.service"), HasSubstr("mode auto\n"));
    apply_and_answer({});
    EXPECT_THAT(content("/system.slice/x.service"), HasSubstr("mode auto\n"));
}

TEST_F(EnforcerTest, ACgroupThatWasMissedIsNewAllTheSame) {
    apply_and_answer({legacy("x")});
    cgroup("/system.slice/x.service");
    enforcer->apply_again(false, {});
    manager->answer();
    EXPECT_TRUE(enforcer->held().cgroups.at("/system.slice/x.service").fresh);
}

TEST_F(EnforcerTest, WhatIsGoneIsForgotten) {
    apply_and_answer({legacy("x*")});
    for (int i = 0; i < 3000; ++i) {
        const std::string path = "/x" + std::to_string(i) + ".service";
        made(path);
        cgroups.remove("." + path);
    }
    EXPECT_LT(enforcer->held().cgroups.size(), 1500U);
}

TEST_F(EnforcerTest, ProcessesAreCheckedByTheRulesThatThereAre) {
    enforce::ProcessFacts process;
    process.cgroup = "/system.slice/x.service";
    process.latched = Policy();
    const policy::Subject subject = policy::subject_of_cgroup(process.cgroup);
    EXPECT_EQ(enforcer->check(subject, process).verdict, enforce::Verdict::none);
    apply_and_answer({legacy("x")});
    EXPECT_EQ(enforcer->check(subject, process).verdict, enforce::Verdict::no);
    process.latched->mode = PolicyMode::legacy;
    EXPECT_EQ(enforcer->check(subject, process).verdict, enforce::Verdict::yes);
    apply_and_answer({});
    EXPECT_EQ(enforcer->check(subject, process).verdict, enforce::Verdict::none);
}

} // namespace

} // namespace rseq::daemon
