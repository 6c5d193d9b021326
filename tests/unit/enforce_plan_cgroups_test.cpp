// SPDX-License-Identifier: GPL-2.0-or-later
#include "enforce/plan_cgroups.h"
#include "tmp_tree.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

using namespace rseq;
using namespace rseq::enforce;
using policy::Rule;
using rseq::test::TmpTree;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

namespace {

constexpr std::uint64_t now = 5000;

Rule rule_for(const std::string& cgroup, std::optional<PolicyMode> mode,
              std::optional<PolicySlice> slice = std::nullopt) {
    Rule rule;
    rule.name = "rule-for-" + cgroup;
    rule.match.cgroup = Glob(cgroup);
    rule.mode = mode;
    rule.slice = slice;
    rule.origin = {"file", 1, 2};
    return rule;
}

std::string shown(const Action& action) {
    return action.target + ": " + to_line(*action.setting_before) + " -> " +
           to_line(*action.setting);
}

/// A tree as the kernel would show it, and what is planned for it.
class EnforcePlanCgroups : public testing::Test {
protected:
    TmpTree files;
    std::vector<Rule> rules;
    Held held;
    bool drop_in = false;

    void cgroup(const std::string& path, const std::string& mode = "auto",
                const std::string& slice = "allow") {
        files.file("." + path + "/cgroup.rseq", "mode " + mode + "\nslice " + slice + "\n");
    }
    std::uint64_t id(const std::string& path) {
        struct stat status {};
        EXPECT_EQ(::stat(files.path("." + path).c_str(), &status), 0);
        return status.st_ino;
    }
    Plan plan(const WalkLimits& limits = {}) {
        const CgroupTree tree(files.open());
        const auto observed = observe_cgroups(
            tree, rules, held, [&](const std::string&) { return drop_in; }, limits);
        EXPECT_TRUE(observed);
        return plan_cgroups(*observed, held, now);
    }
    std::vector<std::string> actions() {
        std::vector<std::string> lines;
        for (const Action& action : plan().actions) {
            lines.push_back(shown(action));
        }
        return lines;
    }
    /// As if the last plan had been carried out at that time, long ago.
    void hold(const std::string& path, std::optional<Written<PolicyMode>> mode,
              std::optional<Written<PolicySlice>> slice = std::nullopt) {
        held.cgroups[path] = {id(path), mode, slice, "earlier", 1000, false};
    }
};

TEST_F(EnforcePlanCgroups, WithoutRulesNothingIsDoneOrEvenRead) {
    cgroup("/");
    files.file("a/cgroup.rseq", "no kernel writes this");
    const Plan made = plan();
    EXPECT_THAT(made.actions, IsEmpty());
    EXPECT_THAT(made.notes, IsEmpty());
    EXPECT_THAT(made.held.cgroups, IsEmpty());
}

TEST_F(EnforcePlanCgroups, WhatARuleAsksForIsWrittenAndWhatWasThereKeptInMind) {
    cgroup("/a", "auto", "deny");
    cgroup("/b");
    rules = {rule_for("/a", PolicyMode::legacy)};
    const Plan made = plan();
    ASSERT_EQ(made.actions.size(), 1U);
    EXPECT_EQ(shown(made.actions[0]), "/a: mode auto -> mode legacy");
    EXPECT_EQ(made.actions[0].rule, "rule-for-/a");
    EXPECT_EQ(made.actions[0].origin, rules[0].origin);
    const HeldCgroup expected{id("/a"),     Written<PolicyMode>{PolicyMode::legacy, {}},
                              std::nullopt, "rule-for-/a",
                              now,          false};
    EXPECT_EQ(made.held.cgroups, (std::map<std::string, HeldCgroup>{{"/a", expected}}));
}

TEST_F(EnforcePlanCgroups, BothSettingsOfARuleAreWritten) {
    cgroup("/a");
    rules = {rule_for("/a", PolicyMode::off, PolicySlice::deny)};
    EXPECT_THAT(actions(),
                ElementsAre("/a: mode auto -> mode off", "/a: slice allow -> slice deny"));
}

TEST_F(EnforcePlanCgroups, WhatIsThereAlreadyIsNotWrittenButHeld) {
    cgroup("/a", "legacy");
    rules = {rule_for("/a", PolicyMode::legacy)};
    const Plan made = plan();
    EXPECT_THAT(made.actions, IsEmpty());
    // Somebody else did it, so it stays when the rule is gone.
    EXPECT_EQ(made.held.cgroups.at("/a").mode,
              (Written<PolicyMode>{PolicyMode::legacy, PolicyMode::legacy}));
}

TEST_F(EnforcePlanCgroups, WhatTheDropInWroteBeforeUsIsOurs) {
    cgroup("/a", "legacy");
    rules = {rule_for("/a", PolicyMode::legacy)};
    drop_in = true;
    EXPECT_EQ(plan().held.cgroups.at("/a").mode,
              (Written<PolicyMode>{PolicyMode::legacy, PolicyMode::automatic}));
}

TEST_F(EnforcePlanCgroups, ASecondApplicationFindsNothingToDoAndKeepsTheTime) {
    cgroup("/a", "legacy");
    rules = {rule_for("/a", PolicyMode::legacy)};
    hold("/a", Written<PolicyMode>{PolicyMode::legacy, PolicyMode::automatic});
    const Plan made = plan();
    EXPECT_THAT(made.actions, IsEmpty());
    EXPECT_EQ(made.held.cgroups.at("/a").since_ns, 1000U);
    EXPECT_EQ(made.held.cgroups.at("/a").mode, held.cgroups.at("/a").mode);
    EXPECT_EQ(made.held.cgroups.at("/a").rule, "rule-for-/a");
}

TEST_F(EnforcePlanCgroups, WhatAppearsUnderTheSameRulesIsNew) {
    cgroup("/a", "legacy");
    cgroup("/b");
    rules = {rule_for("/?", PolicyMode::legacy)};
    hold("/a", Written<PolicyMode>{PolicyMode::legacy, PolicyMode::automatic});
    const CgroupTree tree(files.open());
    const auto observed =
        observe_cgroups(tree, rules, held, [](const std::string&) { return false; });
    ASSERT_TRUE(observed);
    const Plan made = plan_cgroups(*observed, held, now, true);
    EXPECT_FALSE(made.held.cgroups.at("/a").fresh);
    EXPECT_TRUE(made.held.cgroups.at("/b").fresh);
}

TEST_F(EnforcePlanCgroups, ARuleThatIsGonePutsBackWhatWasThere) {
    cgroup("/a", "off", "deny");
    hold("/a", Written<PolicyMode>{PolicyMode::off, PolicyMode::legacy},
         Written<PolicySlice>{PolicySlice::deny, PolicySlice::allow});
    EXPECT_THAT(actions(),
                ElementsAre("/a: mode off -> mode legacy", "/a: slice deny -> slice allow"));
    EXPECT_THAT(plan().held.cgroups, IsEmpty());
}

TEST_F(EnforcePlanCgroups, ASettingThatARuleAsksForNoLongerIsPutBackAlone) {
    cgroup("/a", "legacy", "deny");
    hold("/a", Written<PolicyMode>{PolicyMode::legacy, PolicyMode::automatic},
         Written<PolicySlice>{PolicySlice::deny, PolicySlice::allow});
    rules = {rule_for("/a", PolicyMode::legacy)};
    EXPECT_THAT(actions(), ElementsAre("/a: slice deny -> slice allow"));
    EXPECT_TRUE(plan().held.cgroups.at("/a").mode);
    EXPECT_FALSE(plan().held.cgroups.at("/a").slice);
}

TEST_F(EnforcePlanCgroups, WhatSomebodyElseChangedMeanwhileIsLeftAloneAndTold) {
    cgroup("/a", "off");
    hold("/a", Written<PolicyMode>{PolicyMode::legacy, PolicyMode::automatic});
    const Plan made = plan();
    EXPECT_THAT(made.actions, IsEmpty());
    EXPECT_THAT(made.held.cgroups, IsEmpty());
    ASSERT_EQ(made.notes.size(), 1U);
    EXPECT_EQ(made.notes[0].kind, NoteKind::left_alone);
    EXPECT_EQ(made.notes[0].target, "/a");
    EXPECT_EQ(made.notes[0].what, "mode off");
    EXPECT_THAT(made.notes[0].reason, HasSubstr("'mode legacy'"));
}

TEST_F(EnforcePlanCgroups, WhatSomebodyElsePutBackIsNoNews) {
    cgroup("/a", "auto");
    hold("/a", Written<PolicyMode>{PolicyMode::legacy, PolicyMode::automatic});
    const Plan made = plan();
    EXPECT_THAT(made.actions, IsEmpty());
    EXPECT_THAT(made.notes, IsEmpty());
}

TEST_F(EnforcePlanCgroups, AChangeUnderARuleIsUndoneAndRemembered) {
    cgroup("/a", "off");
    hold("/a", Written<PolicyMode>{PolicyMode::legacy, PolicyMode::automatic});
    rules = {rule_for("/a", PolicyMode::legacy)};
    EXPECT_THAT(actions(), ElementsAre("/a: mode off -> mode legacy"));
    EXPECT_EQ(plan().held.cgroups.at("/a").mode,
              (Written<PolicyMode>{PolicyMode::legacy, PolicyMode::off}));
}

TEST_F(EnforcePlanCgroups, ARuleThatChangesKeepsWhatWasThereFirst) {
    cgroup("/a", "legacy");
    hold("/a", Written<PolicyMode>{PolicyMode::legacy, PolicyMode::automatic});
    rules = {rule_for("/a", PolicyMode::off)};
    EXPECT_THAT(actions(), ElementsAre("/a: mode legacy -> mode off"));
    EXPECT_EQ(plan().held.cgroups.at("/a").mode,
              (Written<PolicyMode>{PolicyMode::off, PolicyMode::automatic}));
    EXPECT_EQ(plan().held.cgroups.at("/a").since_ns, now);
}

TEST_F(EnforcePlanCgroups, WhatIsAskedForComesBeforeWhatIsPutBack) {
    cgroup("/a", "legacy");
    cgroup("/a/b");
    hold("/a", Written<PolicyMode>{PolicyMode::legacy, PolicyMode::automatic});
    rules = {rule_for("/a/b", PolicyMode::legacy)};
    EXPECT_THAT(actions(),
                ElementsAre("/a/b: mode auto -> mode legacy", "/a: mode legacy -> mode auto"));
}

TEST_F(EnforcePlanCgroups, ACgroupBelowOneThatIsHeldAsStrictlyIsNotWritten) {
    cgroup("/a");
    cgroup("/a/b");
    cgroup("/a/c", "off");
    rules = {rule_for("/a*", PolicyMode::legacy)};
    EXPECT_THAT(actions(),
                ElementsAre("/a: mode auto -> mode legacy", "/a/c: mode off -> mode legacy"));
}

TEST_F(EnforcePlanCgroups, ACgroupBelowOneThatIsHeldLessStrictlyIsWritten) {
    cgroup("/a");
    cgroup("/a/b");
    rules = {rule_for("/a/b", PolicyMode::off, PolicySlice::deny),
             rule_for("/a", PolicyMode::legacy, PolicySlice::deny)};
    EXPECT_THAT(actions(),
                ElementsAre("/a: mode auto -> mode legacy", "/a: slice allow -> slice deny",
                            "/a/b: mode auto -> mode off"));
}

TEST_F(EnforcePlanCgroups, ARuleForTheDefaultUndoesWhatSomebodySet) {
    cgroup("/a", "legacy");
    rules = {rule_for("/a", PolicyMode::automatic)};
    EXPECT_THAT(actions(), ElementsAre("/a: mode legacy -> mode auto"));
}

TEST_F(EnforcePlanCgroups, TheRootIsACgroupLikeOthers) {
    cgroup("/");
    cgroup("/a");
    rules = {rule_for("*", PolicyMode::legacy)};
    EXPECT_THAT(actions(), ElementsAre("/: mode auto -> mode legacy"));
}

TEST_F(EnforcePlanCgroups, ACgroupThatWasMadeAnewUnderTheSamePathIsNotTheOneThatWasHeld) {
    cgroup("/a", "legacy");
    hold("/a", Written<PolicyMode>{PolicyMode::legacy, PolicyMode::automatic});
    held.cgroups.at("/a").id += 1000000;
    EXPECT_THAT(actions(), IsEmpty());
    EXPECT_THAT(plan().held.cgroups, IsEmpty());
}

TEST_F(EnforcePlanCgroups, ACgroupThatIsGoneIsForgotten) {
    cgroup("/");
    held.cgroups["/gone"] = {1, Written<PolicyMode>{}, std::nullopt, "earlier", 1000, false};
    EXPECT_THAT(plan().held.cgroups, IsEmpty());
    EXPECT_THAT(plan().notes, IsEmpty());
}

TEST_F(EnforcePlanCgroups, OneThatCannotBeUnderstoodIsToldAndStaysHeld) {
    cgroup("/a", "strange");
    hold("/a", Written<PolicyMode>{PolicyMode::legacy, PolicyMode::automatic});
    rules = {rule_for("/a", PolicyMode::legacy)};
    const Plan made = plan();
    EXPECT_THAT(made.actions, IsEmpty());
    ASSERT_EQ(made.notes.size(), 1U);
    EXPECT_EQ(made.notes[0].kind, NoteKind::unenforceable);
    EXPECT_EQ(made.notes[0].rule, "rule-for-/a");
    EXPECT_EQ(made.held, held);
}

TEST_F(EnforcePlanCgroups, BehindTheLimitsOfAWalkWhatARuleWantsStaysHeld) {
    cgroup("/a/b", "legacy");
    hold("/a/b", Written<PolicyMode>{PolicyMode::legacy, PolicyMode::automatic});
    rules = {rule_for("/a/*", PolicyMode::legacy)};
    const Plan made = plan({.depth = 1});
    EXPECT_TRUE(made.actions.empty());
    ASSERT_TRUE(made.held.cgroups.contains("/a/b"));
    EXPECT_EQ(made.held.cgroups.at("/a/b").mode, held.cgroups.at("/a/b").mode);
    ASSERT_EQ(made.notes.size(), 1U);
    EXPECT_EQ(made.notes[0].kind, NoteKind::partial);
}

TEST_F(EnforcePlanCgroups, MoreThanCanBeKeptInMindIsNotWritten) {
    cgroup("/a");
    rules = {rule_for("*", PolicyMode::legacy)};
    ObservedCgroups observed;
    for (std::size_t i = 0; i <= max_held_cgroups; ++i) {
        observed.cgroups.push_back({"/" + std::to_string(i), i, {}, &rules[0], false});
    }
    const Plan made = plan_cgroups(observed, held, now);
    EXPECT_EQ(made.actions.size(), max_held_cgroups);
    EXPECT_EQ(made.held.cgroups.size(), max_held_cgroups);
    ASSERT_EQ(made.notes.size(), 1U);
    EXPECT_EQ(made.notes[0].kind, NoteKind::unenforceable);
}

// A cgroup that has just been made

class EnforceNewCgroup : public EnforcePlanCgroups {
protected:
    std::optional<Plan> made(const std::string& path) {
        const CgroupTree tree(files.open());
        const auto observed = observe_new_cgroup(tree, path, id(path), rules,
                                                 [&](const std::string&) { return drop_in; });
        return observed ? std::optional(plan_new_cgroup(*observed, held, now)) : std::nullopt;
    }
};

TEST_F(EnforceNewCgroup, IsWrittenAndMarkedAsNew) {
    cgroup("/a");
    rules = {rule_for("/a", PolicyMode::legacy)};
    const auto plan = made("/a");
    ASSERT_TRUE(plan);
    ASSERT_EQ(plan->actions.size(), 1U);
    EXPECT_TRUE(plan->held.cgroups.at("/a").fresh);
    EXPECT_EQ(plan->held.cgroups.at("/a").since_ns, now);
}

TEST_F(EnforceNewCgroup, BelowOneThatIsHeldNeedsNothing) {
    cgroup("/a", "legacy");
    cgroup("/a/b");
    hold("/a", Written<PolicyMode>{PolicyMode::legacy, PolicyMode::automatic});
    rules = {rule_for("/a*", PolicyMode::legacy)};
    const auto plan = made("/a/b");
    ASSERT_TRUE(plan);
    EXPECT_THAT(plan->actions, IsEmpty());
    EXPECT_THAT(plan->held.cgroups, IsEmpty());
}

TEST_F(EnforceNewCgroup, IsNotLookedAtWithoutARule) {
    cgroup("/a");
    rules = {rule_for("/b", PolicyMode::legacy)};
    EXPECT_FALSE(made("/a"));
}

TEST_F(EnforceNewCgroup, ThatIsGoneAlreadyNeedsNothing) {
    files.directory("a");
    rules = {rule_for("/a", PolicyMode::legacy)};
    EXPECT_FALSE(made("/a"));
}

} // namespace
