// SPDX-License-Identifier: GPL-2.0-or-later
#include "enforce/report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <string>
#include <vector>

namespace rseq::enforce {

namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

policy::Rule rule_for(const std::string& unit) {
    policy::Rule rule;
    rule.name = "rule-for-" + unit;
    rule.match.unit = proc::UnitPattern(unit);
    rule.mode = PolicyMode::legacy;
    rule.origin = {"/etc/rseq-compat/policy.d/10.yaml", 3, 5};
    return rule;
}

Outcome outcome_of(const policy::Rule& rule, std::optional<Error> error = std::nullopt) {
    Outcome outcome;
    outcome.action.target = "/x";
    outcome.action.setting = PolicyMode::legacy;
    outcome.action.setting_before = PolicyMode::automatic;
    outcome.action.rule = rule.name;
    outcome.action.origin = rule.origin;
    outcome.error = std::move(error);
    return outcome;
}

Note note_of(const policy::Rule& rule, NoteKind kind) {
    return {kind, "x", "mode legacy", "why", rule.name, rule.origin};
}

TEST(RuleReport, StateIsTheWorstThatCameOfTheRule) {
    const policy::Rule rule = rule_for("x");
    Applied last;
    EXPECT_EQ(report_rule(rule, last).state, "enforced");
    last.notes.push_back(note_of(rule, NoteKind::partial));
    EXPECT_EQ(report_rule(rule, last).state, "partial");
    last.notes.push_back(note_of(rule, NoteKind::unenforceable));
    EXPECT_EQ(report_rule(rule, last).state, "unenforceable");
    EXPECT_EQ(report_rule(rule, last).reason, "mode legacy: why");
    last.outcomes.push_back(outcome_of(rule, Error{EACCES, "no"}));
    EXPECT_EQ(report_rule(rule, last).state, "failed");
    EXPECT_EQ(report_rule(rule, last).reason, "no: Permission denied");
    EXPECT_EQ(report_rule(rule_for("y"), last).state, "enforced");
}

TEST(RuleReport, WhatAPlanWouldStillDoIsNotApplied) {
    const policy::Rule rule = rule_for("x");
    Applied plan;
    plan.outcomes.push_back(outcome_of(rule));
    EXPECT_EQ(report_rule(rule, plan).state, "enforced");
    plan.dry_run = true;
    EXPECT_EQ(report_rule(rule, plan).state, "not applied");
    EXPECT_EQ(report_rule(rule_for("y"), plan).state, "enforced");
}

TEST(RuleReport, ARuleThatOnlyLooksIsExpected) {
    policy::Rule rule = rule_for("x");
    rule.mode.reset();
    rule.expect = Mode::v1;
    const RuleReport report = report_rule(rule, {});
    EXPECT_EQ(report.state, "expected");
    EXPECT_EQ(report.mode, "");
    EXPECT_EQ(report.expect, "v1");
    EXPECT_THAT(report.match, ElementsAre(testing::Pair("unit", "x")));
}

TEST(RuleReport, AReloadThatFailedConcernsEveryRuleWithADropIn) {
    Applied last;
    Outcome reload;
    reload.action.kind = ActionKind::reload;
    reload.error = Error{EACCES, "reload"};
    last.outcomes.push_back(reload);
    EXPECT_EQ(report_rule(rule_for("x"), last).state, "failed");
    policy::Rule by_cgroup = rule_for("x");
    by_cgroup.match = {};
    by_cgroup.match.cgroup = Glob("/x");
    EXPECT_EQ(report_rule(by_cgroup, last).state, "enforced");
}

TEST(ChangeReport, SaysWhatWasPlannedDoneAndFailed) {
    const policy::Rule rule = rule_for("x");
    Applied applied;
    applied.outcomes = {outcome_of(rule), outcome_of(rule, Error{EIO, "no"})};
    ChangeReport report = report_change({"/f"}, applied);
    EXPECT_FALSE(report.complete);
    EXPECT_THAT(report.files, ElementsAre("/f"));
    ASSERT_THAT(report.actions, SizeIs(2));
    EXPECT_EQ(report.actions[0].wanted, "mode legacy");
    EXPECT_EQ(report.actions[0].before, "mode auto");
    EXPECT_EQ(report.actions[0].state, "done");
    EXPECT_EQ(report.actions[1].state, "failed");
    applied.dry_run = true;
    applied.outcomes.pop_back();
    applied.notes.push_back(note_of(rule, NoteKind::partial));
    report = report_change({}, applied);
    EXPECT_TRUE(report.complete);
    EXPECT_EQ(report.actions[0].state, "planned");
    applied.notes.push_back(note_of(rule, NoteKind::unenforceable));
    EXPECT_FALSE(report_change({}, applied).complete);
}

class TargetReportTest : public testing::Test {
protected:
    std::vector<policy::Rule> rules{rule_for("x.service")};
    Held held;
    DropIns drop_ins{{"x.service", "# Written by rseq-compatd for x"},
                     {"t@.service", "# Written by rseq-compatd for t"},
                     {"other.service", "[Service]"}};
    Applied last;

    void hold(const std::string& path) {
        HeldCgroup entry;
        entry.mode = Written<PolicyMode>{PolicyMode::legacy, PolicyMode::automatic};
        entry.since_ns = 5'000'000;
        held.cgroups[path] = entry;
    }
    TargetReport report(const std::string& unit, const std::string& cgroup) {
        return report_target(unit, cgroup, {rules, held, drop_ins, last, 1000});
    }
    static std::vector<std::string> paths(const TargetReport& report) {
        std::vector<std::string> result;
        for (const HeldReport& one : report.held) {
            result.push_back(one.cgroup);
        }
        return result;
    }
};

TEST_F(TargetReportTest, HasWhatWasWrittenOnThePathAndBelow) {
    for (const char* const path : {"/", "/a.slice", "/a.slice/x.service", "/a.slice/x.service/sub",
                                   "/a.slice/x.service2", "/b.slice"}) {
        hold(path);
    }
    const TargetReport shown = report("x.service", "/a.slice/x.service");
    EXPECT_THAT(paths(shown),
                ElementsAre("/", "/a.slice", "/a.slice/x.service", "/a.slice/x.service/sub"));
    EXPECT_EQ(shown.held[0].since_usec, 6000U);
    EXPECT_EQ(shown.held[0].mode_before, "auto");
    EXPECT_EQ(shown.rule, "rule-for-x.service");
    EXPECT_EQ(shown.origin.line, 3);
    EXPECT_EQ(shown.effective, "legacy allow");
    ASSERT_THAT(shown.drop_ins, SizeIs(1));
    EXPECT_EQ(shown.drop_ins[0].path, "/run/systemd/system/x.service.d/zz-rseq-compat.conf");
}

TEST_F(TargetReportTest, OfAnInstanceHasTheDropInOfItsTemplate) {
    ASSERT_THAT(report("t@1.service", "/t").drop_ins, SizeIs(1));
    EXPECT_EQ(report("t@1.service", "/t").drop_ins[0].unit, "t@.service");
    EXPECT_THAT(report("y.service", "/y").drop_ins, IsEmpty());
}

TEST_F(TargetReportTest, OfTheRootHasEverythingThatIsOurs) {
    hold("/a/b");
    const TargetReport shown = report("", "/");
    EXPECT_THAT(paths(shown), ElementsAre("/a/b"));
    EXPECT_THAT(shown.drop_ins, SizeIs(2));
}

TEST_F(TargetReportTest, OfAUnitWhoseCgroupIsNotKnownHasItsRuleAllTheSame) {
    const TargetReport shown = report("x.service", "");
    EXPECT_EQ(shown.rule, "rule-for-x.service");
    EXPECT_THAT(shown.held, IsEmpty());
}

TEST_F(TargetReportTest, HasTheNotesOfItsRuleAndOfItself) {
    last.notes = {note_of(rules[0], NoteKind::partial),
                  {NoteKind::left_alone, "/y", "a", "b", "r", {}},
                  {NoteKind::left_alone, "/z", "a", "b", "r", {}}};
    EXPECT_THAT(report("x.service", "/x.service").notes, SizeIs(1));
    EXPECT_THAT(report("", "/y").notes, SizeIs(1));
    EXPECT_THAT(report("", "/").notes, SizeIs(3));
}

TEST(Cgroups, OfAUnitAreWhereItsProcessesAreOrWhereTheyWouldBe) {
    const std::string path = "/a.slice/x.service/sub/y";
    EXPECT_EQ(own_cgroup(path, proc::unit_of_cgroup(path)), "/a.slice/x.service");
    EXPECT_EQ(usual_cgroup("x.service", {}), "/system.slice/x.service");
    EXPECT_EQ(usual_cgroup("a-b.slice", {}), "/a.slice/a-b.slice");
    EXPECT_EQ(usual_cgroup("-.slice", {}), "/");
    EXPECT_EQ(usual_cgroup("docker/0123", {}), "");
    Held held;
    held.cgroups["/a.slice/x.service/sub"] = {};
    EXPECT_EQ(usual_cgroup("x.service", held), "/system.slice/x.service");
    held.cgroups["/a.slice/x.service"] = {};
    EXPECT_EQ(usual_cgroup("x.service", held), "/a.slice/x.service");
    EXPECT_EQ(complete_unit_name("x"), "x.service");
    EXPECT_EQ(complete_unit_name("x.socket"), "x.socket");
}

} // namespace

} // namespace rseq::enforce
