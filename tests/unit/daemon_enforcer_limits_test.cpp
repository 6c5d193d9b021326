// SPDX-License-Identifier: GPL-2.0-or-later
// Where not everything can be had: before the first daemon of a boot, without the helper, with too
// many cgroups, on other kernels.
#include "enforcer_fixture.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <chrono>
#include <functional>
#include <string>
#include <thread>
#include <vector>

namespace rseq::daemon {

namespace {

using policy::Rule;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

/// What is logged meanwhile.
std::string warnings(const std::function<void()>& work) {
    log::set_max_level(static_cast<int>(log::Level::warning));
    testing::internal::CaptureStderr();
    work();
    return testing::internal::GetCapturedStderr();
}

TEST_F(EnforcerTest, WithoutItsHelperNothingIsHeldFromTheStart) {
    hold_program = "/nonexistent/hold-cgroup";
    start();
    apply_and_answer({legacy("x")});
    EXPECT_FALSE(applied.back().complete());
    ASSERT_EQ(applied.back().notes.size(), 1U);
    EXPECT_THAT(applied.back().notes[0].reason, HasSubstr("install rseq-compatd"));
}

TEST_F(EnforcerTest, WhatTheGeneratorHadHeldIsPutBackLater) {
    auto text = enforce::drop_in_text({{PolicyMode::legacy, PolicySlice::allow}}, legacy("x"),
                                      "/libexec/hold-cgroup");
    generated.file("x.service.d/" + std::string(enforce::drop_in_name), text.value_or(""));
    cgroups.file("system.slice/x.service/cgroup.rseq", "mode legacy\n\n\nslice allow\n");
    apply_and_answer({legacy("x")});
    EXPECT_THAT(drop_ins(), ElementsAre("x.service"));
    EXPECT_TRUE(enforcer->has_drop_in("x.service"));
    apply_and_answer({});
    EXPECT_THAT(drop_ins(), IsEmpty());
    EXPECT_THAT(content("/system.slice/x.service"), HasSubstr("mode auto\n"));
    EXPECT_TRUE(applied.back().complete());
}

TEST_F(EnforcerTest, WhoAppliesRulesTakesOverFromTheGenerator) {
    generated.file("y.service.d/" + std::string(enforce::drop_in_name), "# old");
    apply({legacy("x")});
    EXPECT_FALSE(has_taken_over());
    manager->answer_one();
    EXPECT_TRUE(has_taken_over()) << "before the reload, which is to find nothing of it";
    EXPECT_THAT(manager->asked, ElementsAre("facts of x.service", "reload"));
}

TEST_F(EnforcerTest, WhatTheGeneratorMadeGoesWithAReload) {
    generated.file("x.service.d/" + std::string(enforce::drop_in_name), "# old");
    apply_and_answer({});
    EXPECT_THAT(manager->asked, ElementsAre("reload"));
    generated.remove("x.service.d");
    apply_and_answer({});
    EXPECT_THAT(manager->asked, ElementsAre("reload"));
}

TEST_F(EnforcerTest, TheGeneratorGoesOnWhileNothingWasApplied) {
    enforcer->plan({legacy("x")}, [](const Applied&) {});
    manager->answer();
    EXPECT_FALSE(has_taken_over()) << "only planned";
    manager->error = Error{ETIMEDOUT, "no answer"};
    apply_and_answer({legacy("x*")});
    EXPECT_FALSE(has_taken_over()) << "the names are not known";
}

TEST_F(EnforcerTest, WhatUsersMakeTakesARestrictedPart) {
    apply_and_answer({legacy("x")});
    const std::string users = "/user.slice/user-1000.slice/user@1000.service/";
    for (std::size_t i = 0; i < enforce::max_held_of_users; ++i) {
        made(users + std::to_string(i) + ".slice/x.service");
    }
    EXPECT_EQ(enforcer->held().cgroups.size(), enforce::max_held_of_users);
    cgroups.remove("." + users + "0.slice");
    const std::string later = users + "later.slice/x.service";
    made(later);
    EXPECT_TRUE(enforcer->held().cgroups.contains(later)) << "in the place of the one that is gone";
    EXPECT_EQ(enforcer->held().cgroups.size(), enforce::max_held_of_users);
    EXPECT_THAT(warnings([&] { made(users + "x.slice/x.service"); }), HasSubstr("too many"));
    EXPECT_THAT(warnings([&] { made(users + "y.slice/x.service"); }), IsEmpty())
        << "once is enough";
    cgroups.remove("." + users + "1.slice");
    const std::string last = users + "last.slice/x.service";
    for (int tries = 0; tries < 500 && !enforcer->held().cgroups.contains(last); ++tries) {
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
        made(last);
    }
    EXPECT_TRUE(enforcer->held().cgroups.contains(last)) << "however many are held";
    made("/system.slice/x.service");
    EXPECT_EQ(enforcer->held().cgroups.size(), enforce::max_held_of_users + 1);
    EXPECT_THAT(content("/system.slice/x.service"), HasSubstr("mode legacy\n"));
    const std::string name(200, '\x01');
    const std::string path = "/a.slice/" + name + ".slice/" + name + ".slice/x.service";
    EXPECT_THAT(warnings([&] { made(path); }), HasSubstr("the path is too long"));
    EXPECT_THAT(content(path), HasSubstr("mode auto\n"));
    EXPECT_THAT(warnings([&] { made(users + name + ".slice/" + name + ".slice/x.service"); }),
                HasSubstr("the path is too long"))
        << "of users, which is not the same";
    EXPECT_EQ(enforcer->held().cgroups.size(), enforce::max_held_of_users + 1);
}

TEST_F(EnforcerTest, WhatIsHeldFromAboveIsNotTooLong) {
    Rule rule = legacy("x");
    rule.match = {};
    rule.match.cgroup = Glob("/a.slice*");
    cgroup("/a.slice");
    apply_and_answer({rule});
    const std::string name(200, '\x01');
    EXPECT_THAT(warnings([&] { made("/a.slice/" + name + "/" + name); }), IsEmpty());
    EXPECT_EQ(enforcer->held().cgroups.size(), 1U);
}

TEST_F(EnforcerTest, OnOtherKernelsWhoIsFilteredFromItsStartIsKnownToBeHeld) {
    facts.abi = 0;
    start();
    Rule off = legacy("x");
    off.mode = PolicyMode::off;
    manager->facts["x.service"].id = "x.service";
    apply_and_answer({off});
    EXPECT_THAT(enforcer->drop_ins().at("x.service"), HasSubstr("SystemCallFilter="));
    enforce::ProcessFacts process;
    process.cgroup = "/system.slice/x.service";
    process.mode = Mode::none;
    process.started_ns = 2;
    const policy::Subject subject = policy::subject_of_cgroup(process.cgroup);
    EXPECT_EQ(enforcer->check(subject, process).verdict, enforce::Verdict::no);
    made("/system.slice/x.service");
    EXPECT_EQ(enforcer->check(subject, process).verdict, enforce::Verdict::yes);
    EXPECT_THAT(content("/system.slice/x.service"), HasSubstr("mode auto\n"));
    process.cgroup = "/user.slice/user-1000.slice/user@1000.service/app.slice/x.service";
    made(process.cgroup);
    EXPECT_EQ(enforcer->check(subject, process).verdict, enforce::Verdict::no)
        << "a unit of the same name of a user";
}

TEST_F(EnforcerTest, OnOtherKernelsADropInWithoutTheFilterHoldsNobody) {
    facts.abi = 0;
    start();
    Rule off = legacy("x");
    off.mode = PolicyMode::off;
    off.glibc = false;
    enforce::ProcessFacts process;
    process.cgroup = "/system.slice/x.service";
    process.mode = Mode::none;
    process.started_ns = 2;
    const policy::Subject subject = policy::subject_of_cgroup(process.cgroup);
    manager->facts["x.service"].id = "x.service";
    apply_and_answer({off});
    made(process.cgroup);
    EXPECT_EQ(enforcer->check(subject, process).verdict, enforce::Verdict::yes);
    // Only the tunable is left: a filter would kill.
    manager->facts["x.service"].allow_list = true;
    apply_and_answer({off});
    EXPECT_THAT(enforcer->drop_ins().at("x.service"), HasSubstr("GLIBC_TUNABLES"));
    made(process.cgroup);
    EXPECT_EQ(enforcer->check(subject, process).verdict, enforce::Verdict::no);
}

} // namespace

} // namespace rseq::daemon
