// SPDX-License-Identifier: GPL-2.0-or-later
#include "policy/match.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

using namespace rseq;
using namespace rseq::policy;

namespace {

const std::string mongod_path = "/system.slice/mongod.service";

/// A process of mongod.service, of which everything is known.
Subject mongod() {
    Subject subject = subject_of_cgroup(mongod_path);
    subject.exe = "/usr/bin/mongod";
    subject.comm = "mongod";
    subject.uid = 110;
    return subject;
}

Rule rule(std::string name, Match match) {
    Rule rule;
    rule.name = std::move(name);
    rule.match = std::move(match);
    return rule;
}

Rule held(std::string name, Match match, PolicyMode mode) {
    Rule held = rule(std::move(name), std::move(match));
    held.mode = mode;
    return held;
}

std::string name_of(const Rule* rule) {
    return rule == nullptr ? "none" : rule->name;
}

bool matches(const Match& match, const Subject& subject) {
    const std::vector<Rule> rules{rule("only", match)};
    return policy::match(subject, rules) != nullptr;
}

Match unit(const std::string& pattern) {
    return {.unit = proc::UnitPattern(pattern)};
}

Match cgroup(const std::string& pattern) {
    return {.cgroup = Glob(pattern)};
}

Match exe(const std::string& pattern) {
    return {.exe = Glob(pattern)};
}

TEST(PolicyMatch, EveryConditionByItself) {
    EXPECT_TRUE(matches(unit("mongod"), mongod()));
    EXPECT_FALSE(matches(unit("mongos"), mongod()));
    EXPECT_TRUE(matches(cgroup("/system.slice/*"), mongod()));
    EXPECT_FALSE(matches(cgroup("/user.slice/*"), mongod()));
    EXPECT_TRUE(matches(exe("/usr/*/mongod"), mongod()));
    EXPECT_FALSE(matches(exe("mongod"), mongod()));
    EXPECT_TRUE(matches({.comm = Glob("mongo?")}, mongod()));
    EXPECT_FALSE(matches({.comm = Glob("mongo")}, mongod()));
    EXPECT_TRUE(matches({.uid = 110}, mongod()));
    EXPECT_FALSE(matches({.uid = 0}, mongod()));
}

TEST(PolicyMatch, AllConditionsOfARuleMustHold) {
    const Match all{.unit = proc::UnitPattern("mongod"),
                    .cgroup = Glob("*"),
                    .exe = Glob("*"),
                    .comm = Glob("*"),
                    .uid = 110};
    EXPECT_TRUE(matches(all, mongod()));
    const auto without = [&](auto change) {
        Subject subject = mongod();
        change(subject);
        return matches(all, subject);
    };
    EXPECT_FALSE(without([](Subject& s) { s.unit = "other.service", s.unit_display = s.unit; }));
    EXPECT_FALSE(without([](Subject& s) { s.cgroup.clear(); }));
    EXPECT_FALSE(without([](Subject& s) { s.exe.clear(); }));
    EXPECT_FALSE(without([](Subject& s) { s.comm.clear(); }));
    EXPECT_FALSE(without([](Subject& s) { s.uid = 111; }));
}

TEST(PolicyMatch, WhatIsNotKnownMatchesNoPattern) {
    const Subject nothing;
    EXPECT_FALSE(matches(unit("*"), nothing));
    EXPECT_FALSE(matches(cgroup("*"), nothing));
    EXPECT_FALSE(matches(exe("*"), nothing));
    EXPECT_FALSE(matches({.comm = Glob("*")}, nothing));
    EXPECT_FALSE(matches({.uid = 0}, nothing));
}

TEST(PolicyMatch, UnitsByTheirDisplayNameToo) {
    const std::string path =
        "/user.slice/user-1000.slice/user@1000.service/app.slice/editor.service";
    EXPECT_TRUE(matches(unit("user@1000/*"), subject_of_cgroup(path)));
    EXPECT_TRUE(matches(unit("editor"), subject_of_cgroup(path)));
}

TEST(PolicyMatch, AFileOrACgroupThatIsGoneIsStillTheOneItWas) {
    Subject subject = mongod();
    subject.exe += " (deleted)";
    subject.cgroup += " (deleted)";
    EXPECT_TRUE(matches(exe("/usr/bin/mongod"), subject));
    EXPECT_TRUE(matches(cgroup(mongod_path), subject));
    EXPECT_TRUE(matches(exe("*(deleted)"), subject));
    subject.exe = " (deleted)";
    EXPECT_FALSE(matches(exe(""), subject));
}

TEST(PolicyMatch, TheFirstRuleThatMatchesWins) {
    const std::vector<Rule> rules{rule("other", unit("nginx")), rule("first", unit("mongo*")),
                                  rule("second", unit("mongod"))};
    EXPECT_EQ(name_of(match(mongod(), rules)), "first");
    EXPECT_EQ(name_of(match_cgroup(mongod(), rules)), "first");
    EXPECT_EQ(match(mongod(), {}), nullptr);
    EXPECT_EQ(match(subject_of_cgroup("/init.scope"), rules), nullptr);
}

TEST(PolicyMatch, ARuleForSomeProcessesSaysNothingOfTheirCgroup) {
    const std::vector<Rule> rules{rule("exe", exe("/usr/bin/mongod")),
                                  rule("comm", {.comm = Glob("mongod")}), rule("uid", {.uid = 110}),
                                  held("unit", unit("mongod"), PolicyMode::legacy)};
    EXPECT_EQ(name_of(match(mongod(), rules)), "exe");
    EXPECT_EQ(name_of(match_cgroup(mongod(), rules)), "unit");
}

TEST(PolicyMatch, AnExpectationKeepsLaterRulesOffTheCgroup) {
    Rule look = rule("look", unit("mongod"));
    look.expect = Mode::v2;
    const std::vector<Rule> rules{look, held("all", cgroup("*"), PolicyMode::legacy)};
    EXPECT_EQ(name_of(match_cgroup(mongod(), rules)), "look");
}

TEST(PolicyDecision, NoRuleLeavesTheDefault) {
    const Decision decision = decide(mongod_path, {});
    EXPECT_EQ(decision.rule, nullptr);
    EXPECT_EQ(decision.effective, Policy());
    EXPECT_EQ(decision.mode_rule, nullptr);
    EXPECT_EQ(decision.slice_rule, nullptr);
}

TEST(PolicyDecision, TheStrictestAlongThePathIsInForce) {
    std::vector<Rule> rules{held("slice", unit("system.slice"), PolicyMode::legacy),
                            held("unit", unit("mongod"), PolicyMode::automatic),
                            held("below", cgroup(mongod_path + "/below"), PolicyMode::off)};
    rules[1].slice = PolicySlice::deny;

    Decision decision = decide(mongod_path, rules);
    EXPECT_EQ(name_of(decision.rule), "unit");
    EXPECT_EQ(decision.effective, (Policy{PolicyMode::legacy, PolicySlice::deny}));
    EXPECT_EQ(name_of(decision.mode_rule), "slice");
    EXPECT_EQ(name_of(decision.slice_rule), "unit");

    decision = decide(mongod_path + "/other", rules);
    EXPECT_EQ(name_of(decision.rule), "unit");
    EXPECT_EQ(decision.effective, (Policy{PolicyMode::legacy, PolicySlice::deny}));

    decision = decide("/system.slice/nginx.service", rules);
    EXPECT_EQ(decision.rule, nullptr);
    EXPECT_EQ(decision.effective, (Policy{PolicyMode::legacy, PolicySlice::allow}));
}

TEST(PolicyDecision, OfTwoThatAskForTheSameTheUpperOneIsNamed) {
    const std::vector<Rule> rules{held("root", cgroup("/"), PolicyMode::off),
                                  held("unit", unit("mongod"), PolicyMode::off)};
    EXPECT_EQ(name_of(decide(mongod_path, rules).mode_rule), "root");
}

TEST(PolicyDecision, TheRootIsACgroupLikeOthers) {
    const std::vector<Rule> rules{held("root", cgroup("/"), PolicyMode::legacy)};
    EXPECT_EQ(name_of(decide("/", rules).rule), "root");
    EXPECT_EQ(decide("/", rules).effective.mode, PolicyMode::legacy);
    EXPECT_EQ(decide("/a.service", rules).rule, nullptr);
    EXPECT_EQ(decide("/a.service", rules).effective.mode, PolicyMode::legacy);
    EXPECT_EQ(decide("", rules).effective.mode, PolicyMode::automatic);
}

TEST(PolicyDecision, WhatIsTooDeepHasNoSayInWhatIsBelow) {
    std::string deepest;
    for (std::size_t level = 1; level <= deepest_level; ++level) {
        deepest += "/" + std::to_string(level);
    }
    const std::vector<Rule> rules{held("deepest", cgroup(deepest), PolicyMode::legacy),
                                  held("deeper", cgroup(deepest + "/x"), PolicyMode::off)};

    EXPECT_EQ(name_of(decide(deepest, rules).rule), "deepest");
    Decision decision = decide(deepest + "/x", rules);
    EXPECT_EQ(name_of(decision.rule), "deeper");
    EXPECT_EQ(name_of(decision.mode_rule), "deeper");

    decision = decide(deepest + "/x/below", rules);
    EXPECT_EQ(decision.rule, nullptr);
    EXPECT_EQ(name_of(decision.mode_rule), "deepest");
    EXPECT_EQ(decision.effective.mode, PolicyMode::legacy);
}

TEST(PolicyDecision, AnAbsurdDepthCostsNoMoreThanReadingThePath) {
    // By the square of its levels, this would take as long as the timeout of the test.
    std::string path;
    for (int level = 0; level < 200'000; ++level) {
        path += "/x";
    }
    const std::vector<Rule> rules{held("top", cgroup("/x"), PolicyMode::legacy)};
    EXPECT_EQ(decide(path, rules).rule, nullptr);
    EXPECT_EQ(name_of(decide(path, rules).mode_rule), "top");
    EXPECT_EQ(decide(std::string(200'000, '/'), rules).rule, nullptr);
}

} // namespace
