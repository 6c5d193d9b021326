// SPDX-License-Identifier: GPL-2.0-or-later
// What others may cause without a right to do anything: cgroups of users, reloads, rescans.
#include "core/parse.h"
#include "enforcer_fixture.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <string>
#include <string_view>

namespace rseq::daemon {

namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class EnforcerLoad : public EnforcerTest {
protected:
    /// One with a path that is longer than the kernel takes at once.
    void deep_cgroup(std::string_view path) {
        UniqueFd at = cgroups.open();
        for (std::string_view rest = path.substr(1); !rest.empty();) {
            const std::string name(take_until(rest, '/'));
            ::mkdirat(at.get(), name.c_str(), 0755);
            at = UniqueFd(::openat(at.get(), name.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        }
        EXPECT_TRUE(replace_file(at.get(), "cgroup.rseq", "mode auto\n\n\nslice allow\n", 0644));
    }
    /// A folder of drop-ins that none can be written to.
    void bar(const std::string& unit) {
        units.directory("elsewhere");
        units.symlink(unit + ".d", "elsewhere");
    }
    [[nodiscard]] std::ptrdiff_t reloads() const {
        return std::count(manager->asked.begin(), manager->asked.end(), "reload");
    }
    [[nodiscard]] std::string state() const {
        return enforce::report_rule(enforcer->rules().at(0), enforcer->last()).state;
    }
};

TEST_F(EnforcerLoad, WhatUsersMakeHasOneNoteAndLeavesTheStateOfTheRule) {
    cgroup("/system.slice/x.service");
    const std::string users = "/user.slice/user-1000.slice/user@1000.service/";
    constexpr std::size_t surplus = 10;
    for (std::size_t i = 0; i < enforce::max_held_of_users + surplus; ++i) {
        cgroup(users + std::to_string(i) + ".slice/x.service");
    }
    std::string deep = users;
    while (deep.size() < 5000) {
        deep += std::string(200, 'a') + ".slice/";
    }
    deep_cgroup(deep + "x.service");
    apply_and_answer({legacy("x")});
    EXPECT_TRUE(applied.back().complete());
    ASSERT_EQ(applied.back().notes.size(), 2U);
    for (const enforce::Note& note : applied.back().notes) {
        EXPECT_EQ(note.kind, enforce::NoteKind::partial);
    }
    EXPECT_THAT(applied.back().notes[0].reason, HasSubstr(std::to_string(surplus) + " are not"));
    EXPECT_THAT(applied.back().notes[1].reason, HasSubstr("1 are not held for themselves"));
    EXPECT_EQ(state(), "enforced");
    EXPECT_THAT(content("/system.slice/x.service"), HasSubstr("mode legacy\n"));
    EXPECT_EQ(enforcer->held().cgroups.size(), enforce::max_held_of_users + 1);
    log::set_max_level(static_cast<int>(log::Level::warning));
    testing::internal::CaptureStderr();
    enforcer->apply_to_cgroups_again();
    EXPECT_EQ(testing::internal::GetCapturedStderr(), "") << "it was told before";
    EXPECT_EQ(enforcer->last().notes.size(), 2U);
    EXPECT_EQ(state(), "enforced");
}

TEST_F(EnforcerLoad, ADropInThatCannotBeWrittenIsNoCauseForAReload) {
    bar("x.service");
    apply_and_answer({legacy("x")});
    for (int i = 0; i < 2; ++i) {
        enforcer->apply_again(false, {});
        manager->answer();
    }
    EXPECT_EQ(state(), "failed");
    EXPECT_EQ(reloads(), 0);
    EXPECT_FALSE(enforcer->held().reload_pending);
}

TEST_F(EnforcerLoad, ThoseThatCouldBeWrittenAreReadOnce) {
    bar("x.service");
    for (int i = 0; i < 3; ++i) {
        apply_and_answer({legacy("x"), legacy("y")});
    }
    EXPECT_EQ(reloads(), 1);
}

TEST_F(EnforcerLoad, AGeneratorThatCannotBeStoppedIsNoCauseForAReload) {
    generated.file("y.service.d/" + std::string(enforce::drop_in_name), "# old");
    runtime.directory(enforce::applied_name);
    apply_and_answer({});
    EXPECT_THAT(manager->asked, IsEmpty());
    runtime.remove(enforce::applied_name);
    apply_and_answer({});
    EXPECT_THAT(manager->asked, ElementsAre("reload"));
}

TEST_F(EnforcerLoad, OnlyAReloadOfSomebodyElseHasUnitsLookedAtOnceMore) {
    manager->services = {"x1.service"};
    apply_and_answer({legacy("x*")});
    run_until_asked(1);
    EXPECT_THAT(manager->asked, ElementsAre("list", "facts of x1.service", "reload"));
    manager->services = {"x1.service", "x2.service"};
    enforcer->on_reloaded();
    run_until_asked(10);
    manager->answer();
    EXPECT_THAT(drop_ins(), ElementsAre("x1.service", "x2.service"));
    EXPECT_EQ(reloads(), 2);
}

TEST_F(EnforcerLoad, AfterAReloadThatFailedTheNextOneIsOfSomebodyElse) {
    manager->services = {"x1.service"};
    apply({legacy("x*")});
    manager->answer_one();
    manager->answer_one();
    manager->error = Error{ETIMEDOUT, "no answer"};
    manager->answer();
    manager->error.reset();
    const std::size_t asked = manager->asked.size();
    enforcer->on_reloaded();
    run_until_asked(10);
    EXPECT_GT(manager->asked.size(), asked);
}

TEST_F(EnforcerLoad, CgroupsThatWereMissedAreLookedForWithoutTheServiceManager) {
    bar("x.service");
    manager->services = {"x.service"};
    apply_and_answer({legacy("x*")});
    const auto asked = manager->asked;
    cgroup("/system.slice/x.service");
    enforcer->apply_to_cgroups_again();
    EXPECT_TRUE(enforcer->idle());
    EXPECT_EQ(manager->asked, asked);
    EXPECT_THAT(content("/system.slice/x.service"), HasSubstr("mode legacy\n"));
    EXPECT_TRUE(enforcer->held().cgroups.at("/system.slice/x.service").fresh);
    for (int i = 0; i < 2; ++i) {
        enforcer->apply_to_cgroups_again();
        EXPECT_EQ(enforcer->last().outcomes.size(), 1U) << "the drop-in that could not be written";
        EXPECT_EQ(state(), "failed");
    }
}

TEST_F(EnforcerLoad, CgroupsThatWereMissedDoNotWaitForTheServiceManager) {
    bar("x.service");
    cgroup("/system.slice/y.service");
    apply_and_answer({legacy("y")});
    cgroups.file("system.slice/y.service/cgroup.rseq", "mode off\n\n\nslice allow\n");
    cgroup("/system.slice/z.service");
    apply({legacy("x"), legacy("z")});
    cgroup("/system.slice/x.service");
    for (int i = 0; i < 2; ++i) {
        enforcer->apply_to_cgroups_again();
        EXPECT_FALSE(enforcer->idle());
        EXPECT_THAT(content("/system.slice/x.service"), HasSubstr("mode legacy\n"));
    }
    manager->answer();
    ASSERT_EQ(applied.size(), 2U);
    EXPECT_TRUE(enforcer->idle());
    const auto written = [](const Applied& one) {
        std::vector<std::string> targets;
        for (const enforce::Outcome& outcome : one.outcomes) {
            if (outcome.action.kind == enforce::ActionKind::write_setting) {
                targets.push_back(outcome.action.target);
            }
        }
        return targets;
    };
    EXPECT_THAT(written(applied.back()),
                ElementsAre("/system.slice/z.service", "/system.slice/x.service"));
    ASSERT_EQ(applied.back().notes.size(), 1U);
    EXPECT_EQ(applied.back().notes[0].kind, enforce::NoteKind::left_alone);
    EXPECT_EQ(state(), "failed") << "of its drop-in";
    enforcer->apply_to_cgroups_again();
    EXPECT_THAT(written(enforcer->last()), IsEmpty());
    EXPECT_EQ(state(), "failed");
    EXPECT_TRUE(enforcer->held().cgroups.contains("/system.slice/x.service"));
}

} // namespace

} // namespace rseq::daemon
