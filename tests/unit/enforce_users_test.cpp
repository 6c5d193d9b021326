// SPDX-License-Identifier: GPL-2.0-or-later
// Users make cgroups, as many as they like and with any name: what that may cost others.
#include "enforce/plan_cgroups.h"
#include "tmp_tree.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
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
constexpr const char* manager = "/user.slice/user-1000.slice/user@1000.service";

std::string of_user(const std::string& name) {
    return std::string(manager) + "/" + name;
}

Rule rule_for_all() {
    Rule rule;
    rule.name = "all";
    rule.match.cgroup = Glob("*");
    rule.mode = PolicyMode::legacy;
    return rule;
}

bool has_no_drop_in(const std::string& /*unit*/) {
    return false;
}

HeldCgroup held_as(std::uint64_t id) {
    HeldCgroup entry;
    entry.id = id;
    entry.mode = Written<PolicyMode>{PolicyMode::legacy, PolicyMode::automatic};
    return entry;
}

TEST(EnforceUsers, MakeWhatIsBelowTheirServiceManager) {
    EXPECT_TRUE(is_of_users(of_user("x.service")));
    EXPECT_TRUE(is_of_users(of_user("app.slice/x.service/y")));
    for (const char* const path :
         {"/", "/user.slice", "/user.slice/user-1000.slice", manager,
          "/user.slice/user-1000.slice/session-1.scope", "/system.slice/user@1000.service/x"}) {
        EXPECT_FALSE(is_of_users(path)) << path;
    }
}

TEST(EnforceRoom, IsNotUsedUpByUsers) {
    Room room;
    for (std::size_t i = 0; i < max_held_of_users; ++i) {
        EXPECT_TRUE(room.has_for(of_user("x")));
        room.add(of_user(std::to_string(i)));
    }
    EXPECT_FALSE(room.has_for(of_user("x")));
    EXPECT_TRUE(room.has_for(manager));
    EXPECT_TRUE(room.has_for("/system.slice/x.service"));
    room.remove(of_user("0"));
    EXPECT_TRUE(room.has_for(of_user("x")));
}

TEST(EnforceRoom, IsNotForPathsThatAreTooLong) {
    EXPECT_TRUE(Room().has_for("/" + std::string(max_held_path - 1, 'x')));
    EXPECT_FALSE(Room().has_for("/" + std::string(max_held_path, 'x')));
    EXPECT_FALSE(Room().has_for("/" + std::string(max_held_path / 3, '\x01')));
}

TEST(EnforceRoom, IsCountedFromWhatIsHeld) {
    std::map<std::string, HeldCgroup> cgroups;
    for (std::size_t i = 0; i < max_held_cgroups; ++i) {
        cgroups["/" + std::to_string(i)] = held_as(i);
    }
    Room room(cgroups);
    EXPECT_FALSE(room.has_for("/x"));
    room.remove("/0");
    EXPECT_TRUE(room.has_for("/x"));
}

TEST(EnforceUsers, AreVisitedLastWithinALimitOfTheirOwn) {
    TmpTree files;
    for (int i = 0; i < 10; ++i) {
        files.directory("." + of_user(std::to_string(i)));
    }
    files.directory("system.slice/x.service");
    constexpr std::size_t others = 6; // the root, three that lead to the user's, two of the system
    std::vector<std::string> paths;
    const auto walked = CgroupTree(files.open())
                            .walk([&](const CgroupVisit& visit) { paths.push_back(visit.path); },
                                  {.cgroups = others, .of_users = 3});
    ASSERT_TRUE(walked);
    EXPECT_TRUE(walked->whole);
    EXPECT_FALSE(walked->whole_of_users);
    EXPECT_EQ(paths.size(), others + 3);
    const auto first_of_users = std::find_if(paths.begin(), paths.end(), is_of_users);
    EXPECT_EQ(first_of_users - paths.begin(), static_cast<std::ptrdiff_t>(others));
    EXPECT_TRUE(std::all_of(first_of_users, paths.end(), is_of_users));
}

TEST(EnforceUsers, WhoGoesTooDeepHidesNothingOfOthers) {
    TmpTree files;
    files.directory("." + of_user("a/b/c"));
    const auto walked = CgroupTree(files.open()).walk([](const CgroupVisit&) {}, {.depth = 5});
    ASSERT_TRUE(walked);
    EXPECT_TRUE(walked->whole);
    EXPECT_FALSE(walked->whole_of_users);
}

TEST(EnforceUsers, WhatIsGoneIsForgottenHoweverDeepOthersAre) {
    TmpTree files;
    files.directory("delegated.service/a/b/c/cgroup.rseq"); // which cannot be read
    struct stat status {};
    ASSERT_EQ(::stat(files.path("delegated.service/a/b/c").c_str(), &status), 0);
    Held held;
    held.cgroups["/system.slice/gone.service"] = held_as(1);
    held.cgroups["/delegated.service"] = held_as(1); // another one has its path now
    held.cgroups["/delegated.service/a/b/c"] = held_as(status.st_ino);
    const auto observed =
        observe_cgroups(CgroupTree(files.open()), {}, held, has_no_drop_in, {.depth = 3});
    ASSERT_TRUE(observed);
    EXPECT_FALSE(observed->walked.whole);
    EXPECT_THAT(observed->unseen, ElementsAre("/delegated.service/a/b/c"));
    const Plan made = plan_cgroups(*observed, held, now);
    EXPECT_EQ(made.held.cgroups.size(), 1U);
    EXPECT_TRUE(made.held.cgroups.contains("/delegated.service/a/b/c"));
    EXPECT_TRUE(std::any_of(made.notes.begin(), made.notes.end(), [](const Note& note) {
        return note.kind == NoteKind::unenforceable && note.target == "/delegated.service/a/b/c";
    })) << "it is not put back";
}

TEST(EnforceUsers, WhatIsHeldIsPutBackHoweverDeepItIs) {
    TmpTree files;
    for (const char* path : {"a/b/c", "a/b/c/d"}) {
        files.file(std::string(path) + "/cgroup.rseq", "mode legacy\nslice allow\n");
    }
    Held held;
    for (const char* path : {"/a/b/c", "/a/b/c/d"}) {
        struct stat status {};
        ASSERT_EQ(::stat(files.path(path + 1).c_str(), &status), 0);
        held.cgroups[path] = held_as(status.st_ino);
    }
    const auto observed =
        observe_cgroups(CgroupTree(files.open()), {}, held, has_no_drop_in, {.depth = 2});
    ASSERT_TRUE(observed);
    EXPECT_FALSE(observed->walked.whole);
    EXPECT_THAT(observed->unseen, IsEmpty());
    const Plan made = plan_cgroups(*observed, held, now);
    ASSERT_EQ(made.actions.size(), 2U);
    EXPECT_EQ(made.actions[0].kind, ActionKind::write_setting);
    EXPECT_EQ(made.actions[0].target, "/a/b/c");
    EXPECT_EQ(made.actions[1].target, "/a/b/c/d");
    EXPECT_THAT(made.held.cgroups, IsEmpty());
}

TEST(EnforceUsers, WhatIsHeldFromAboveTakesNoRoom) {
    TmpTree files;
    constexpr const char* text = "mode auto\nslice allow\n";
    files.file("user.slice/cgroup.rseq", text);
    const std::size_t count = max_held_of_users + 1;
    for (std::size_t i = 0; i < count; ++i) {
        files.file("." + of_user(std::to_string(i)) + "/cgroup.rseq", text);
    }
    Rule rule = rule_for_all();
    rule.match.cgroup = Glob("/user.slice*");
    const std::vector<Rule> rules{rule};
    const auto observed = observe_cgroups(CgroupTree(files.open()), rules, {}, has_no_drop_in);
    ASSERT_TRUE(observed);
    EXPECT_EQ(observed->cgroups.size(), count + 1);
    const Plan made = plan_cgroups(*observed, {}, now);
    EXPECT_EQ(made.held.cgroups.size(), 1U);
    EXPECT_TRUE(std::none_of(made.notes.begin(), made.notes.end(),
                             [](const Note& note) { return note.kind == NoteKind::partial; }));
}

TEST(EnforceUsers, NothingIsKeptOfAPathThatIsTooLong) {
    TmpTree files;
    std::string path = of_user("x");
    while (path.size() <= max_held_path) {
        path += "/" + std::string(200, 'x');
    }
    files.file("." + path + "/cgroup.rseq", "mode auto\nslice allow\n");
    const std::vector<Rule> rules{rule_for_all()};
    const auto observed = observe_cgroups(CgroupTree(files.open()), rules, {}, has_no_drop_in);
    ASSERT_TRUE(observed);
    EXPECT_EQ(observed->too_long_of_users, 1U);
    EXPECT_THAT(observed->cgroups, IsEmpty());
    const Plan made = plan_cgroups(*observed, {}, now);
    ASSERT_EQ(made.notes.size(), 1U);
    EXPECT_EQ(made.notes[0].kind, NoteKind::partial);
    EXPECT_EQ(made.notes[0].rule, "");
}

TEST(EnforceUsers, WhatHasNoRoomHasOneNoteOfNoRule) {
    const Rule rule = rule_for_all();
    ObservedCgroups observed;
    for (std::size_t i = 0; i < max_held_of_users + 2; ++i) {
        observed.cgroups.push_back({of_user(std::to_string(i)), i, {}, &rule, false});
    }
    observed.cgroups.push_back({of_user(std::string(5000, 'x')), 1, {}, &rule, false});
    observed.cgroups.push_back({"/system.slice", 2, {}, &rule, false});
    const Plan made = plan_cgroups(observed, {}, now);
    EXPECT_EQ(made.actions.size(), max_held_of_users + 1);
    EXPECT_TRUE(made.held.cgroups.contains("/system.slice"));
    ASSERT_EQ(made.notes.size(), 1U);
    EXPECT_EQ(made.notes[0].kind, NoteKind::partial);
    EXPECT_EQ(made.notes[0].rule, "");
    EXPECT_THAT(made.notes[0].reason, HasSubstr("3 are not held"));
}

TEST(EnforceUsers, WhatIsHeldKeepsItsPlace) {
    const Rule rule = rule_for_all();
    Held held;
    held.cgroups[of_user("last")] = held_as(1000000);
    ObservedCgroups observed;
    for (std::size_t i = 0; i < max_held_of_users; ++i) {
        observed.cgroups.push_back({of_user(std::to_string(i)), i, {}, &rule, false});
    }
    observed.cgroups.push_back({of_user("last"), 1000000, {PolicyMode::legacy, {}}, &rule, false});
    const Plan made = plan_cgroups(observed, held, now);
    EXPECT_TRUE(made.held.cgroups.contains(of_user("last")));
    EXPECT_EQ(made.held.cgroups.size(), max_held_of_users);
}

TEST(EnforceUsers, WhatIsGoneElsewhereIsForgottenHoweverManyTheyMake) {
    Held held;
    held.cgroups["/system.slice/gone"] = held_as(1);
    held.cgroups[of_user("x")] = held_as(2);
    ObservedCgroups observed;
    observed.walked.whole_of_users = false;
    observed.unseen.push_back(of_user("x"));
    const Plan made = plan_cgroups(observed, held, now);
    ASSERT_EQ(made.held.cgroups.size(), 1U);
    EXPECT_TRUE(made.held.cgroups.contains(of_user("x")));
    EXPECT_EQ(made.notes.size(), 1U);
}

TEST(EnforceNotes, OfOneKindForOneRuleAreAFew) {
    ObservedCgroups observed;
    for (int i = 0; i < 1000; ++i) {
        observed.notes.push_back({NoteKind::unenforceable,
                                  "/" + std::to_string(i),
                                  "its cgroup",
                                  "it cannot be read",
                                  "many",
                                  {}});
    }
    observed.notes.push_back(
        {NoteKind::unenforceable, "/x", "its cgroup", "it cannot be read", "other", {}});
    const Plan made = plan_cgroups(observed, {}, now);
    EXPECT_LT(made.notes.size(), 50U);
    EXPECT_TRUE(std::any_of(made.notes.begin(), made.notes.end(),
                            [](const Note& note) { return note.rule == "other"; }));
}

} // namespace
