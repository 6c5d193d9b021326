// SPDX-License-Identifier: GPL-2.0-or-later
#include "enforce/compliance.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

using namespace rseq;
using namespace rseq::enforce;
using policy::Rule;

namespace {

constexpr std::uint64_t since = 1000;
const std::string cgroup = "/system.slice/x.service";

class EnforceCompliance : public testing::Test {
protected:
    std::vector<Rule> rules;
    ProcessFacts process;
    Held held;
    KernelFacts kernel;

    EnforceCompliance() {
        kernel.abi = 1;
        Rule rule;
        rule.name = "rule";
        rule.match.unit = proc::UnitPattern("x");
        rules = {rule};
        process.cgroup = cgroup;
        process.executed_ns = since + 1;
        process.started_ns = since + 1;
        process.mode = Mode::v1;
        process.latched = Policy{PolicyMode::legacy, PolicySlice::allow};
    }

    void hold(PolicyMode mode, const std::string& path = cgroup) {
        HeldCgroup entry;
        entry.mode = {mode, PolicyMode::automatic};
        entry.since_ns = since;
        held.cgroups[path] = entry;
    }
    [[nodiscard]] Compliance result() const {
        return compliance(process, policy::match(policy::subject_of_cgroup(process.cgroup), rules),
                          policy::decide(process.cgroup, rules), held, kernel);
    }
    [[nodiscard]] std::string text() const {
        const Compliance found = result();
        return found.verdict == Verdict::none  ? "none"
               : found.verdict == Verdict::yes ? "yes"
                                               : found.text();
    }
};

TEST_F(EnforceCompliance, WithoutARuleThereIsNoVerdict) {
    rules.clear();
    EXPECT_EQ(text(), "none");
    EXPECT_EQ(result().rule, nullptr);
}

TEST_F(EnforceCompliance, WhoLatchedWhatTheRuleAsksForComplies) {
    rules[0].mode = PolicyMode::legacy;
    EXPECT_EQ(text(), "yes");
    EXPECT_EQ(result().rule, &rules[0]);
}

TEST_F(EnforceCompliance, WhatTheRuleDoesNotAskForDoesNotMatter) {
    rules[0].mode = PolicyMode::legacy;
    process.latched->slice = PolicySlice::deny;
    EXPECT_EQ(text(), "yes");
    rules[0].slice = PolicySlice::allow;
    EXPECT_EQ(text(), "expected legacy allow, is legacy deny");
}

TEST_F(EnforceCompliance, WhoWasExecutedBeforeItsCgroupWasHeldStartedBeforeTheRule) {
    rules[0].mode = PolicyMode::legacy;
    hold(PolicyMode::legacy);
    process.latched = Policy();
    process.executed_ns = since - 1;
    EXPECT_EQ(result().verdict, Verdict::no);
    EXPECT_EQ(text(), "started before the rule");
    EXPECT_EQ(result().expected, "legacy allow");
    EXPECT_EQ(result().found, "auto allow");
    // Forked later, and never executed anything since.
    process.started_ns = since + 5;
    EXPECT_EQ(text(), "started before the rule");
}

TEST_F(EnforceCompliance, WhoWasExecutedInANewCgroupBeforeItWasHeldLostTheRace) {
    rules[0].mode = PolicyMode::legacy;
    hold(PolicyMode::legacy);
    held.cgroups.at(cgroup).fresh = true;
    process.latched = Policy();
    process.executed_ns = since - 1;
    EXPECT_EQ(text(), "lost the race");
}

TEST_F(EnforceCompliance, AnExecveThatNobodySawWasBeforeTheRule) {
    rules[0].mode = PolicyMode::legacy;
    hold(PolicyMode::legacy);
    held.cgroups.at(cgroup).fresh = true;
    process.latched = Policy();
    process.executed_ns = 0;
    EXPECT_EQ(text(), "started before the rule");
}

TEST_F(EnforceCompliance, WhoWasExecutedLaterAndIsNotHeldCameFromElsewhere) {
    rules[0].mode = PolicyMode::legacy;
    hold(PolicyMode::legacy);
    process.latched = Policy();
    process.executed_ns = since + 1'000'000'000;
    EXPECT_EQ(text(), "executed in another cgroup");
}

TEST_F(EnforceCompliance, WhoHasNotMovedWasExecutedSlowly) {
    rules[0].mode = PolicyMode::legacy;
    hold(PolicyMode::legacy);
    process.latched = Policy();
    process.executed_ns = since + 1'000'000'000;
    process.moved = false;
    EXPECT_EQ(text(), "started before the rule");
    held.cgroups[cgroup].fresh = true;
    EXPECT_EQ(text(), "lost the race");
    process.moved = true;
    EXPECT_EQ(text(), "executed in another cgroup");
    // Nothing takes so long: somebody has changed the cgroup meanwhile.
    process.moved = false;
    process.executed_ns = since + 60'000'000'000;
    EXPECT_EQ(text(), "its cgroup is not held");
}

TEST_F(EnforceCompliance, ACgroupThatCouldNotBeWrittenIsNamed) {
    rules[0].mode = PolicyMode::legacy;
    process.latched = Policy();
    EXPECT_EQ(text(), "its cgroup is not held");
    hold(PolicyMode::off);
    EXPECT_EQ(text(), "its cgroup is not held");
}

TEST_F(EnforceCompliance, ACgroupAboveHoldsThoseBelow) {
    rules[0].mode = PolicyMode::legacy;
    process.cgroup = cgroup + "/below";
    process.latched = Policy();
    process.executed_ns = since - 1;
    for (const char* const path : {"/", "/system.slice", "/system.slice/x.service"}) {
        held.cgroups.clear();
        hold(PolicyMode::legacy, path);
        EXPECT_EQ(text(), "started before the rule") << path;
    }
}

TEST_F(EnforceCompliance, WhatIsNotKnownToBeHeldIsNotCalledHeld) {
    rules[0].mode = PolicyMode::legacy;
    hold(PolicyMode::legacy);
    process.latched.reset();
    EXPECT_EQ(result().verdict, Verdict::no);
    EXPECT_EQ(result().reason, Reason::not_known);
    EXPECT_EQ(text(), "expected legacy allow, is not known");
}

TEST_F(EnforceCompliance, ADefaultThatWasAskedForIsLookedAtToo) {
    rules[0].mode = PolicyMode::automatic;
    EXPECT_EQ(result().reason, Reason::stricter);
    EXPECT_EQ(text(), "expected auto allow, is legacy allow");
    process.latched = Policy();
    EXPECT_EQ(text(), "yes");
}

TEST_F(EnforceCompliance, TheRuleOfACgroupAboveCounts) {
    Rule above;
    above.name = "above";
    above.match.unit = proc::UnitPattern("system.slice");
    above.mode = PolicyMode::off;
    rules[0].mode = PolicyMode::legacy;
    rules.push_back(above);
    hold(PolicyMode::off, "/system.slice");
    EXPECT_EQ(result().verdict, Verdict::no);
    EXPECT_EQ(result().rule, &rules[1]);
    process.latched->mode = PolicyMode::off;
    EXPECT_EQ(text(), "yes");
}

TEST_F(EnforceCompliance, WhoIsInAnotherModeThanExpectedIsTold) {
    rules[0].expect = Mode::v1;
    EXPECT_EQ(text(), "yes");
    process.mode = Mode::v2;
    EXPECT_EQ(text(), "expected v1, is v2");
    process.mode = Mode::unknown;
    EXPECT_EQ(text(), "expected v1, is not known");
    process.mode = Mode::none;
    EXPECT_EQ(text(), "expected v1, is none");
    process.mode = Mode::mixed;
    EXPECT_EQ(text(), "expected v1, is mixed");
}

TEST_F(EnforceCompliance, WhatIsHeldIsLookedAtBeforeWhatIsExpected) {
    rules[0].mode = PolicyMode::legacy;
    rules[0].expect = Mode::v1;
    EXPECT_EQ(text(), "yes");
    process.mode = Mode::v2;
    EXPECT_EQ(text(), "expected v1, is v2");
    process.latched = Policy();
    EXPECT_EQ(text(), "its cgroup is not held");
}

TEST_F(EnforceCompliance, AnotherRuleMayExpectSomethingOfOneProcess) {
    Rule tool;
    tool.name = "tool";
    tool.match.uid = 1;
    tool.expect = Mode::v2;
    rules[0].mode = PolicyMode::legacy;
    const Compliance found =
        compliance(process, &tool, policy::decide(cgroup, rules), held, kernel);
    EXPECT_EQ(found.verdict, Verdict::no);
    EXPECT_EQ(found.rule, &tool);
    EXPECT_EQ(found.text(), "expected v2, is v1");
}

// Kernels without cgroup.rseq

class EnforceComplianceOther : public EnforceCompliance {
protected:
    EnforceComplianceOther() {
        kernel.abi = 0;
        process.latched.reset();
        process.mode = Mode::none;
    }
};

TEST_F(EnforceComplianceOther, NothingButOffCanBeHeld) {
    rules[0].mode = PolicyMode::legacy;
    EXPECT_EQ(text(), "unenforceable on this kernel");
    rules[0].mode = PolicyMode::off;
    rules[0].slice = PolicySlice::deny;
    EXPECT_EQ(text(), "unenforceable on this kernel");
    rules[0].mode = PolicyMode::automatic;
    rules[0].slice = PolicySlice::allow;
    EXPECT_EQ(text(), "yes");
}

TEST_F(EnforceComplianceOther, OffIsKeptByWhoIsKnownToBeFilteredAndHasNotRegistered) {
    rules[0].mode = PolicyMode::off;
    EXPECT_EQ(text(), "its cgroup is not held");
    hold(PolicyMode::off);
    EXPECT_EQ(text(), "yes");
    process.mode = Mode::v1;
    EXPECT_EQ(text(), "executed in another cgroup");
    process.mode = Mode::unknown;
    EXPECT_EQ(text(), "expected off allow, is not known");
}

TEST_F(EnforceComplianceOther, WhoStartedBeforeTheFilterIsNotHeldByIt) {
    rules[0].mode = PolicyMode::off;
    hold(PolicyMode::off);
    process.executed_ns = since - 1;
    EXPECT_EQ(text(), "started before the rule");
    process.executed_ns = 0;
    process.started_ns = since - 1;
    EXPECT_EQ(text(), "started before the rule");
}

TEST_F(EnforceComplianceOther, OnlyAServiceCanBeFiltered) {
    rules[0].mode = PolicyMode::off;
    rules[0].match.unit.reset();
    rules[0].match.cgroup = Glob("*");
    EXPECT_EQ(text(), "unenforceable on this kernel");
}

} // namespace
