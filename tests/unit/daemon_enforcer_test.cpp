// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/enforcer.h"
#include "daemon/log.h"
#include "tmp_tree.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cerrno>
#include <string>
#include <vector>

namespace rseq::daemon {

namespace {

using policy::Rule;
using rseq::test::TmpTree;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

/// Answers when the test lets it.
class FakeManager : public ServiceManager {
public:
    std::vector<std::string> services;
    Facts facts;
    std::optional<Error> error;
    std::vector<std::string> asked;
    std::vector<std::function<void()>> waiting;

    void list_services(Answer<std::vector<std::string>> answer) override {
        asked.emplace_back("list");
        wait([this, answer] {
            answer(error ? Result<std::vector<std::string>>(tl::unexpected<Error>(*error))
                         : services);
        });
    }
    void ask(const std::vector<std::string>& units, Answer<Facts> answer) override {
        for (const std::string& unit : units) {
            asked.push_back("facts of " + unit);
        }
        wait([this, answer] {
            answer(error ? Result<Facts>(tl::unexpected<Error>(*error)) : facts);
        });
    }
    void reload(Answer<void> answer) override {
        asked.emplace_back("reload");
        wait([this, answer] {
            answer(error ? Result<void>(tl::unexpected<Error>(*error)) : Result<void>());
        });
    }
    /// Gives all answers, and those to what they lead to.
    void answer() {
        while (!waiting.empty()) {
            answer_one();
        }
    }
    void answer_one() {
        const auto next = std::move(waiting.front());
        waiting.erase(waiting.begin());
        next();
    }

private:
    void wait(std::function<void()> answer) { waiting.push_back(std::move(answer)); }
};

class EnforcerTest : public testing::Test {
protected:
    TmpTree cgroups;
    TmpTree units;
    TmpTree generated;
    TmpTree runtime;
    KernelFacts facts;
    EventLoop loop;
    FakeManager* manager = nullptr;
    std::unique_ptr<Enforcer> enforcer;
    std::vector<Applied> applied;
    std::string hold_program = "/bin/true";

    EnforcerTest() {
        facts.abi = 1;
        log::set_max_level(2);
        sd_event* made = nullptr;
        EXPECT_GE(::sd_event_new(&made), 0);
        loop.reset(made);
        cgroup("");
        start();
    }

    /// A file that is still right after one line of it was written over, as no real one needs.
    void cgroup(const std::string& path) {
        cgroups.file("." + path + "/cgroup.rseq", "mode auto\n\n\nslice allow\n");
    }
    std::string content(const std::string& path) {
        return read_file(cgroups.open().get(), ("." + path + "/cgroup.rseq").c_str(), 100)
            .value_or("none");
    }
    std::uint64_t id(const std::string& path) {
        struct stat status {};
        EXPECT_EQ(::stat(cgroups.path("." + path).c_str(), &status), 0);
        return status.st_ino;
    }
    void start() {
        enforcer.reset();
        enforcer = std::make_unique<Enforcer>(
            loop.get(), facts, enforce::CgroupTree(cgroups.open()),
            EnforcerPlaces{units.path(), generated.path(), runtime.path(), hold_program});
        auto fake = std::make_unique<FakeManager>();
        manager = fake.get();
        enforcer->set_service_manager(std::move(fake));
    }
    void apply(std::vector<Rule> rules) {
        enforcer->apply(std::move(rules), [this](const Applied& one) { applied.push_back(one); });
    }
    void apply_and_answer(std::vector<Rule> rules) {
        apply(std::move(rules));
        manager->answer();
    }
    void made(const std::string& path) {
        cgroup(path);
        enforcer->on_cgroup_made({id(path), path}, 1);
    }
    [[nodiscard]] bool has_taken_over() const {
        return read_file(runtime.open().get(), enforce::applied_name, 1).has_value();
    }
    std::vector<std::string> drop_ins() {
        std::vector<std::string> names;
        for (const auto& [unit, text] : enforcer->drop_ins()) {
            names.push_back(unit);
        }
        return names;
    }
};

Rule legacy(const std::string& unit) {
    Rule rule;
    rule.name = "rule-for-" + unit;
    rule.match.unit = proc::UnitPattern(unit);
    rule.mode = PolicyMode::legacy;
    return rule;
}

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
    for (std::size_t i = 0; i <= enforce::max_held_of_users; ++i) {
        made(users + std::to_string(i) + ".slice/x.service");
    }
    EXPECT_EQ(enforcer->held().cgroups.size(), enforce::max_held_of_users);
    made("/system.slice/x.service");
    EXPECT_EQ(enforcer->held().cgroups.size(), enforce::max_held_of_users + 1);
    EXPECT_THAT(content("/system.slice/x.service"), HasSubstr("mode legacy\n"));
    made("/" + std::string(200, '\x01') + "/" + std::string(200, '\x01') + "/x.service");
    EXPECT_EQ(enforcer->held().cgroups.size(), enforce::max_held_of_users + 1);
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
