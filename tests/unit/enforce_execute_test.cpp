// SPDX-License-Identifier: GPL-2.0-or-later
#include "enforce/actuator.h"
#include "enforce/drop_in.h"
#include "tmp_tree.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <map>
#include <string>
#include <vector>

using namespace rseq;
using namespace rseq::enforce;
using rseq::test::TmpTree;
using testing::ElementsAre;
using testing::IsEmpty;

namespace {

/// Does nothing, and fails for some targets.
class FakeActuator : public Actuator {
public:
    std::map<std::string, int> errors; ///< by target and line
    std::vector<std::string> taken;

    Result<void> perform(const Action& action) override {
        const std::string name =
            action.target + (action.setting ? " " + to_line(*action.setting) : "");
        taken.push_back(name);
        const auto found = errors.find(name);
        return found == errors.end() ? Result<void>() : fail(found->second, name);
    }
};

Action write(const std::string& path, const Setting& setting) {
    Action action;
    action.kind = ActionKind::write_setting;
    action.target = path;
    action.setting = setting;
    return action;
}

Action drop_in(const std::string& unit) {
    Action action;
    action.kind = ActionKind::write_drop_in;
    action.target = unit;
    action.text = "text";
    return action;
}

HeldCgroup entry(std::uint64_t id, std::optional<PolicyMode> mode,
                 std::optional<PolicySlice> slice = std::nullopt) {
    HeldCgroup entry;
    entry.id = id;
    if (mode) {
        entry.mode = Written<PolicyMode>{*mode, {}};
    }
    if (slice) {
        entry.slice = Written<PolicySlice>{*slice, {}};
    }
    return entry;
}

class EnforceExecute : public testing::Test {
protected:
    Plan plan;
    Held before;
    Held held;
    FakeActuator actuator;
    std::vector<Outcome> outcomes;

    void run() { outcomes = execute(plan, before, actuator, held); }
    [[nodiscard]] std::vector<int> errors() const {
        std::vector<int> codes;
        for (const Outcome& outcome : outcomes) {
            codes.push_back(outcome.error ? outcome.error->code : 0);
        }
        return codes;
    }
};

TEST_F(EnforceExecute, TakesAllActionsInTheirOrderButTheReload) {
    plan.actions = {write("/b", PolicyMode::off), write("/a", PolicySlice::deny), drop_in("x"), {}};
    plan.actions.back().kind = ActionKind::reload;
    plan.held.cgroups = {{"/b", entry(1, PolicyMode::off)}};
    run();
    EXPECT_THAT(actuator.taken, ElementsAre("/b mode off", "/a slice deny", "x"));
    EXPECT_THAT(errors(), ElementsAre(0, 0, 0));
    EXPECT_EQ(held.cgroups, plan.held.cgroups);
    EXPECT_TRUE(held.reload_pending);
}

TEST_F(EnforceExecute, OneThatFailsIsToldAndTheOthersGoOn) {
    plan.actions = {write("/a", PolicyMode::off), write("/b", PolicyMode::off), drop_in("x"),
                    drop_in("y")};
    plan.held.cgroups = {{"/a", entry(1, PolicyMode::off)}, {"/b", entry(2, PolicyMode::off)}};
    actuator.errors = {{"/a mode off", EACCES}, {"x", ENOSPC}};
    run();
    EXPECT_THAT(errors(), ElementsAre(EACCES, 0, ENOSPC, 0));
    EXPECT_EQ(held.cgroups.size(), 1U);
    EXPECT_TRUE(held.cgroups.contains("/b"));
    EXPECT_TRUE(held.reload_pending);
}

TEST_F(EnforceExecute, WhereNoDropInChangedThereIsNothingToReload) {
    plan.actions = {drop_in("x")};
    actuator.errors = {{"x", EROFS}};
    run();
    EXPECT_FALSE(held.reload_pending);
}

TEST_F(EnforceExecute, OneSettingThatFailsKeepsTheOther) {
    plan.actions = {write("/a", PolicyMode::off), write("/a", PolicySlice::deny)};
    plan.held.cgroups = {{"/a", entry(1, PolicyMode::off, PolicySlice::deny)}};
    actuator.errors = {{"/a mode off", EINVAL}};
    run();
    EXPECT_EQ(held.cgroups.at("/a"), entry(1, std::nullopt, PolicySlice::deny));
}

TEST_F(EnforceExecute, WhatWasHeldBeforeStaysHeldIfItCannotBeChanged) {
    before.cgroups = {{"/a", entry(1, PolicyMode::legacy)}};
    plan.actions = {write("/a", PolicyMode::off)};
    plan.held.cgroups = {{"/a", entry(1, PolicyMode::off)}};
    actuator.errors = {{"/a mode off", EACCES}};
    run();
    EXPECT_EQ(held.cgroups.at("/a").mode, before.cgroups.at("/a").mode);
}

TEST_F(EnforceExecute, WhatCannotBePutBackIsTriedAgainLater) {
    before.cgroups = {{"/a", entry(1, PolicyMode::legacy, PolicySlice::deny)}};
    plan.actions = {write("/a", PolicyMode::automatic), write("/a", PolicySlice::allow)};
    actuator.errors = {{"/a mode auto", EACCES}};
    run();
    EXPECT_EQ(held.cgroups.at("/a"), entry(1, PolicyMode::legacy));
}

TEST_F(EnforceExecute, AnEntryOfAnEarlierCgroupDoesNotComeBack) {
    before.cgroups = {{"/a", entry(1, PolicyMode::legacy)}};
    plan.actions = {write("/a", PolicyMode::off)};
    plan.held.cgroups = {{"/a", entry(2, PolicyMode::off)}};
    actuator.errors = {{"/a mode off", EACCES}};
    run();
    EXPECT_THAT(held.cgroups, IsEmpty());
}

TEST_F(EnforceExecute, ACgroupThatIsGoneIsNoFailure) {
    plan.actions = {write("/a", PolicyMode::off), write("/b", PolicyMode::off)};
    plan.held.cgroups = {{"/a", entry(1, PolicyMode::off)}, {"/b", entry(2, PolicyMode::off)}};
    actuator.errors = {{"/a mode off", ENOENT}, {"/b mode off", ENODEV}};
    run();
    EXPECT_THAT(errors(), ElementsAre(0, 0));
    EXPECT_THAT(held.cgroups, IsEmpty());
}

TEST(EnforceActuator, ADryRunTouchesNothing) {
    DryRun actuator;
    EXPECT_TRUE(actuator.perform(write("/a", PolicyMode::off)));
    EXPECT_TRUE(actuator.perform(drop_in("x.service")));
}

TEST(EnforceActuator, TheRealOneWritesWhatActionsSay) {
    TmpTree cgroups;
    TmpTree units;
    cgroups.file("a/cgroup.rseq", "");
    const CgroupTree tree(cgroups.open());
    const UniqueFd root = units.open();
    FileActuator actuator(tree, root.get());
    EXPECT_TRUE(actuator.perform(write("/a", PolicyMode::legacy)));
    EXPECT_EQ(read_file(cgroups.open().get(), "a/cgroup.rseq", 100), "mode legacy\n");
    EXPECT_TRUE(actuator.perform(drop_in("x.service")));
    EXPECT_EQ(read_drop_ins(root.get()), (DropIns{{"x.service", "text"}}));
    Action remove = drop_in("x.service");
    remove.kind = ActionKind::remove_drop_in;
    EXPECT_TRUE(actuator.perform(remove));
    EXPECT_EQ(read_drop_ins(root.get()), DropIns());
    FileActuator without(tree, -1);
    EXPECT_FALSE(without.perform(drop_in("x.service")));
}

} // namespace
