// SPDX-License-Identifier: GPL-2.0-or-later
#include "enforce/plan_units.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <string>
#include <vector>

using namespace rseq;
using namespace rseq::enforce;
using policy::Rule;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

namespace {

Rule rule_for(const std::string& unit, std::optional<PolicyMode> mode = std::nullopt,
              std::optional<PolicySlice> slice = std::nullopt) {
    Rule rule;
    rule.name = "rule-for-" + unit;
    rule.match.unit = proc::UnitPattern(unit);
    rule.mode = mode;
    rule.slice = slice;
    rule.origin = {"file", 1, 2};
    return rule;
}

Rule with_glibc(Rule rule, bool on) {
    rule.glibc = on;
    return rule;
}

Rule only_expecting(Rule rule) {
    rule.expect = Mode::v1;
    return rule;
}

class EnforcePlanUnits : public testing::Test {
protected:
    std::vector<Rule> rules;
    DropIns there;
    Units units;
    KernelFacts kernel;
    bool pending = false;

    EnforcePlanUnits() { kernel.abi = 1; }

    Plan plan() { return plan_units(rules, there, units, kernel, pending, "/libexec/hold-cgroup"); }
    /// "write x.service" and the like.
    std::vector<std::string> actions() {
        std::vector<std::string> lines;
        for (const Action& action : plan().actions) {
            lines.push_back(std::string(to_string(action.kind)) + " " + action.target);
        }
        return lines;
    }
    std::string text(const std::string& unit) {
        for (const Action& action : plan().actions) {
            if (action.target == unit && action.kind == ActionKind::write_drop_in) {
                return action.text;
            }
        }
        return "none";
    }
    /// As if the plan had been carried out.
    void carry_out() {
        for (const Action& action : plan().actions) {
            if (action.kind == ActionKind::write_drop_in) {
                there[action.target] = action.text;
            }
        }
    }
    UnitFacts& known(const std::string& unit) {
        UnitFacts& facts = units.facts[unit];
        facts.id = unit;
        return facts;
    }
    std::vector<std::string> notes() {
        std::vector<std::string> lines;
        for (const Note& note : plan().notes) {
            lines.push_back(std::string(to_string(note.kind)) + " " + note.target + ": " +
                            note.what);
        }
        return lines;
    }
};

TEST_F(EnforcePlanUnits, AServiceGetsADropInAndTheManagerIsTold) {
    rules = {rule_for("x", PolicyMode::legacy, PolicySlice::deny)};
    EXPECT_THAT(actions(), ElementsAre("drop-in x.service", "reload "));
    EXPECT_THAT(text("x.service"), HasSubstr("hold-cgroup mode=legacy slice=deny\n"));
    EXPECT_EQ(plan().actions[0].rule, "rule-for-x");
    EXPECT_EQ(plan().actions[0].origin, rules[0].origin);
}

TEST_F(EnforcePlanUnits, ASecondApplicationFindsNothingToDo) {
    rules = {rule_for("x", PolicyMode::legacy)};
    carry_out();
    EXPECT_THAT(actions(), IsEmpty());
}

TEST_F(EnforcePlanUnits, AReloadThatIsPendingIsMadeUpFor) {
    rules = {rule_for("x", PolicyMode::legacy)};
    carry_out();
    pending = true;
    EXPECT_THAT(actions(), ElementsAre("reload "));
}

TEST_F(EnforcePlanUnits, ARuleThatIsGoneTakesItsDropInWithIt) {
    rules = {rule_for("x", PolicyMode::legacy), rule_for("y", PolicyMode::off)};
    carry_out();
    rules.pop_back();
    EXPECT_THAT(actions(), ElementsAre("remove drop-in y.service", "reload "));
}

TEST_F(EnforcePlanUnits, ARuleThatChangesReplacesItsDropIn) {
    rules = {rule_for("x", PolicyMode::legacy)};
    carry_out();
    const std::string before = there.at("x.service");
    rules[0].mode = PolicyMode::off;
    EXPECT_THAT(actions(), ElementsAre("drop-in x.service", "reload "));
    EXPECT_EQ(plan().actions[0].text_before, before);
    rules[0].mode = PolicyMode::automatic;
    EXPECT_THAT(actions(), ElementsAre("remove drop-in x.service", "reload "));
}

TEST_F(EnforcePlanUnits, WhatIsNotOursIsLeftAloneAndTold) {
    rules = {rule_for("x", PolicyMode::legacy)};
    there = {{"x.service", "[Service]\n"}, {"y.service", ""}};
    EXPECT_THAT(actions(), IsEmpty());
    EXPECT_THAT(notes(), ElementsAre("left alone x.service: drop-in"));
}

TEST_F(EnforcePlanUnits, TheFirstRuleThatMatchesDecides) {
    rules = {only_expecting(rule_for("a")), rule_for("a", PolicyMode::legacy),
             rule_for("b", PolicyMode::off), rule_for("b", PolicyMode::legacy)};
    EXPECT_THAT(actions(), ElementsAre("drop-in b.service", "reload "));
    EXPECT_THAT(text("b.service"), HasSubstr("mode=off"));
}

TEST_F(EnforcePlanUnits, ARuleForSomeProcessesOfAUnitHasNoSayInItsDropIn) {
    rules = {only_expecting(rule_for("x")), rule_for("x", PolicyMode::legacy)};
    rules[0].match.comm = Glob("worker");
    EXPECT_THAT(actions(), ElementsAre("drop-in x.service", "reload "));
}

TEST_F(EnforcePlanUnits, ARuleForACgroupDecidesForTheUnitThatLivesThere) {
    Rule cgroup;
    cgroup.name = "cgroup";
    cgroup.match.cgroup = Glob("/custom.slice/*");
    cgroup.mode = PolicyMode::off;
    rules = {cgroup, rule_for("x", PolicyMode::legacy)};
    known("x.service").slice = "system.slice";
    EXPECT_THAT(text("x.service"), HasSubstr("mode=legacy"));
    known("x.service").slice = "custom.slice";
    EXPECT_THAT(text("x.service"), HasSubstr("mode=off"));
}

TEST_F(EnforcePlanUnits, AUnitAndACgroupMustBothMatch) {
    rules = {rule_for("x", PolicyMode::legacy)};
    rules[0].match.cgroup = Glob("/custom.slice/*");
    EXPECT_THAT(actions(), IsEmpty());
    known("x.service").slice = "custom.slice";
    EXPECT_THAT(actions(), ElementsAre("drop-in x.service", "reload "));
}

TEST_F(EnforcePlanUnits, APatternMeansTheServicesThatAreKnown) {
    rules = {rule_for("mongo*", PolicyMode::legacy)};
    units.services = {"mongod.service", "mongos.service", "nginx.service", "mongo-.service"};
    EXPECT_TRUE(needs_service_names(rules));
    EXPECT_THAT(actions(),
                ElementsAre("drop-in mongod.service", "drop-in mongos.service", "reload "));
    EXPECT_THAT(units_to_ask(rules, units.services),
                ElementsAre("mongod.service", "mongos.service"));
    rules = {rule_for("mongod", PolicyMode::legacy), only_expecting(rule_for("m*"))};
    EXPECT_FALSE(needs_service_names(rules));
}

TEST_F(EnforcePlanUnits, AllInstancesOfATemplateHaveOneDropIn) {
    rules = {rule_for("x@*.service", PolicyMode::legacy)};
    units.services = {"x@1.service", "x@.service"};
    EXPECT_THAT(actions(), ElementsAre("drop-in x@.service", "reload "));
    EXPECT_THAT(notes(), IsEmpty());
    EXPECT_THAT(units_to_ask(rules, units.services), ElementsAre("x@.service", "x@1.service"));
    EXPECT_EQ(instance_for_facts("x@.service"), "x@rseq.service");
    EXPECT_EQ(instance_for_facts("x@1.service"), "x@1.service");
}

TEST_F(EnforcePlanUnits, OneInstanceHasADropInOfItsOwnIfItsRuleIsAnother) {
    rules = {rule_for("x@1", PolicyMode::off), only_expecting(rule_for("x@2")),
             rule_for("x@*.service", PolicyMode::legacy)};
    EXPECT_THAT(actions(), ElementsAre("drop-in x@.service", "drop-in x@1.service",
                                       "drop-in x@2.service", "reload "));
    EXPECT_THAT(text("x@1.service"), HasSubstr("mode=off"));
    // It hides the one of the template, which has the same name.
    EXPECT_THAT(text("x@2.service"), Not(HasSubstr("[Service]")));
    EXPECT_THAT(text("x@.service"), HasSubstr("mode=legacy"));
}

TEST_F(EnforcePlanUnits, ATemplateHasNoDropInIfAnEarlierRuleMayBeForUnknownInstances) {
    units.services = {"x@1.service", "x@a1.service"};
    for (const char* const pattern : {"x@a*.service", "*@a1.service", "x@*"}) {
        rules = {rule_for(pattern, PolicyMode::off), rule_for("x@*.service", PolicyMode::legacy)};
        EXPECT_EQ(text("x@.service"), "none") << pattern;
        EXPECT_THAT(notes(), ElementsAre("partial x@.service: drop-in")) << pattern;
        EXPECT_THAT(text("x@a1.service"), HasSubstr("mode=off")) << pattern;
    }
    Rule cgroup = rule_for("unused", PolicyMode::off);
    cgroup.match.unit.reset();
    cgroup.match.cgroup = Glob("/system.slice/system-x.slice/*");
    rules = {cgroup, rule_for("x@*.service", PolicyMode::legacy)};
    EXPECT_EQ(text("x@.service"), "none");
}

TEST_F(EnforcePlanUnits, ATemplateHasItsDropInIfEarlierRulesAreForOthers) {
    Rule cgroup = rule_for("unused", PolicyMode::off);
    cgroup.match.unit.reset();
    cgroup.match.cgroup = Glob("/user.slice/*");
    for (const Rule& earlier :
         {rule_for("y@*.service", PolicyMode::off), rule_for("xy*", PolicyMode::off),
          rule_for("x@1", PolicyMode::off), cgroup}) {
        rules = {earlier, rule_for("x@*.service", PolicyMode::legacy)};
        EXPECT_THAT(text("x@.service"), HasSubstr("mode=legacy")) << earlier.name;
        EXPECT_THAT(notes(), IsEmpty()) << earlier.name;
    }
}

TEST_F(EnforcePlanUnits, WhatIsNoServiceHasNoDropIn) {
    for (const char* const unit : {"system.slice", "session-1.scope", "docker/0123456789ab",
                                   "user@1000/editor.service", "x@.service"}) {
        rules = {rule_for(unit, PolicyMode::legacy)};
        EXPECT_THAT(actions(), IsEmpty()) << unit;
    }
    rules = {rule_for("system.slice", PolicyMode::legacy)};
    EXPECT_THAT(notes(), IsEmpty());
    rules = {with_glibc(rule_for("system.slice"), false)};
    EXPECT_THAT(notes(), ElementsAre("unenforceable system.slice: glibc off"));
    rules = {rule_for("x@.service", PolicyMode::legacy)};
    EXPECT_THAT(notes(), ElementsAre("unenforceable x@.service: its cgroup"));
}

TEST_F(EnforcePlanUnits, AnAliasIsToldToBeOne) {
    rules = {rule_for("mysql", PolicyMode::legacy)};
    known("mysql.service").id = "mariadb.service";
    EXPECT_THAT(actions(), IsEmpty());
    EXPECT_THAT(notes(), ElementsAre("unenforceable mysql.service: drop-in"));
    EXPECT_THAT(plan().notes[0].reason, HasSubstr("mariadb.service"));
}

// GLIBC_TUNABLES

TEST_F(EnforcePlanUnits, TheTunableOfGlibcKeepsThoseThatAreThere) {
    rules = {with_glibc(rule_for("x"), false)};
    known("x.service").environment = {"A=1", "GLIBC_TUNABLES=a=1:glibc.pthread.rseq=1"};
    EXPECT_THAT(text("x.service"),
                HasSubstr("Environment=\"GLIBC_TUNABLES=a=1:glibc.pthread.rseq=0\"\n"));
    rules[0].glibc = true;
    EXPECT_THAT(text("x.service"), HasSubstr("a=1:glibc.pthread.rseq=1\"\n"));
}

TEST_F(EnforcePlanUnits, TheTunableIsSetBesidesTheRest) {
    rules = {with_glibc(rule_for("x", PolicyMode::legacy), false)};
    known("x.service");
    EXPECT_THAT(text("x.service"), HasSubstr("ExecStartPre="));
    EXPECT_THAT(text("x.service"), HasSubstr("Environment="));
}

TEST_F(EnforcePlanUnits, WhatAFileOfVariablesSetsCannotBeMerged) {
    rules = {with_glibc(rule_for("x", PolicyMode::legacy), false)};
    known("x.service").tunables_in_file = true;
    EXPECT_THAT(notes(), ElementsAre("unenforceable x.service: glibc off"));
    EXPECT_THAT(text("x.service"), HasSubstr("ExecStartPre="));
    EXPECT_THAT(text("x.service"), Not(HasSubstr("Environment=")));
}

TEST_F(EnforcePlanUnits, TunablesThatAreNotPrintableAreNotRepeated) {
    rules = {with_glibc(rule_for("x"), false)};
    known("x.service").environment = {"GLIBC_TUNABLES=a=1\nExecStart=/bin/sh"};
    EXPECT_THAT(actions(), IsEmpty());
    EXPECT_THAT(notes(), ElementsAre("unenforceable x.service: glibc"));
}

TEST_F(EnforcePlanUnits, WhatCannotBeAskedStaysAsItIs) {
    rules = {with_glibc(rule_for("x", PolicyMode::legacy), false), rule_for("y", PolicyMode::off)};
    known("x.service");
    carry_out();
    units.facts.clear();
    units.unreachable = "no answer";
    rules[0].glibc = true;
    EXPECT_THAT(actions(), IsEmpty());
    EXPECT_THAT(notes(), ElementsAre("unenforceable x.service: glibc on"));
    EXPECT_THAT(plan().notes[0].reason, HasSubstr("no answer"));
}

// Kernels without cgroup.rseq

class EnforceOtherKernel : public EnforcePlanUnits {
protected:
    EnforceOtherKernel() { kernel.abi = 0; }
    std::vector<std::string> kernel_notes() {
        std::vector<std::string> lines;
        for (const Note& note : unenforceable(rules, kernel)) {
            EXPECT_EQ(note.reason, "unenforceable on this kernel");
            EXPECT_EQ(note.kind, NoteKind::unenforceable);
            lines.push_back(note.rule + ": " + note.what);
        }
        return lines;
    }
};

TEST_F(EnforceOtherKernel, OffIsAFilterOfSystemCalls) {
    rules = {rule_for("x", PolicyMode::off)};
    known("x.service");
    EXPECT_THAT(text("x.service"), HasSubstr("SystemCallFilter=~rseq:ENOSYS\n"));
    EXPECT_THAT(text("x.service"), Not(HasSubstr("ExecStartPre=")));
    EXPECT_THAT(kernel_notes(), IsEmpty());
}

TEST_F(EnforceOtherKernel, AListOfAllowedCallsWouldKillInstead) {
    rules = {rule_for("x", PolicyMode::off)};
    known("x.service").allow_list = true;
    EXPECT_THAT(actions(), IsEmpty());
    EXPECT_THAT(notes(), ElementsAre("unenforceable x.service: mode off"));
    known("x.service").filter_error = EPERM;
    EXPECT_THAT(actions(), IsEmpty());
    known("x.service").filter_error = ENOSYS;
    EXPECT_THAT(text("x.service"), HasSubstr("SystemCallFilter=~rseq:ENOSYS\n"));
}

TEST_F(EnforceOtherKernel, AUnitThatIsNotKnownHasNoFilter) {
    rules = {rule_for("x", PolicyMode::off)};
    EXPECT_THAT(actions(), IsEmpty());
    EXPECT_THAT(notes(), ElementsAre("unenforceable x.service: mode off"));
}

TEST_F(EnforceOtherKernel, TheRestCannotBeHad) {
    Rule cgroup = rule_for("unused", PolicyMode::off);
    cgroup.match.unit.reset();
    cgroup.match.cgroup = Glob("/x");
    rules = {rule_for("a", PolicyMode::legacy), rule_for("b", std::nullopt, PolicySlice::deny),
             rule_for("c", PolicyMode::automatic, PolicySlice::allow), cgroup};
    EXPECT_THAT(kernel_notes(), ElementsAre("rule-for-a: mode legacy", "rule-for-b: slice deny",
                                            "rule-for-unused: mode off"));
    EXPECT_THAT(actions(), IsEmpty());
    EXPECT_THAT(notes(), IsEmpty());
    kernel.abi = 1;
    EXPECT_THAT(kernel_notes(), IsEmpty());
}

TEST_F(EnforceOtherKernel, TheTunableOfGlibcNeedsNoKernel) {
    rules = {with_glibc(rule_for("x"), false)};
    known("x.service");
    EXPECT_THAT(text("x.service"), HasSubstr("GLIBC_TUNABLES=glibc.pthread.rseq=0"));
    EXPECT_THAT(kernel_notes(), IsEmpty());
}

} // namespace
