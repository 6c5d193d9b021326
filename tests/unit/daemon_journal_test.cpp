// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/journal.h"
#include "daemon/log.h"
#include "daemon/message_ids.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <string>
#include <vector>

namespace rseq::daemon {

namespace {

using ::testing::Contains;
using ::testing::Each;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;
using ::testing::StartsWith;

Occurrence of_mongod(Kind kind, event::Payload payload) {
    Occurrence occurrence;
    occurrence.kind = kind;
    occurrence.process = {4242, 777};
    occurrence.tid = 4243;
    occurrence.comm = "mongod";
    occurrence.exe = "/usr/bin/mongod";
    occurrence.cgroup = "/system.slice/mongod.service";
    occurrence.unit = "mongod.service";
    occurrence.payload = std::move(payload);
    return occurrence;
}

Occurrence violation() {
    return of_mongod(Kind::violation,
                     event::Violation{4242, 2, "cpu_id_start", 3, 0x80000003, 0x401000});
}

Occurrence refusal(int error) {
    event::Registered attempt;
    attempt.tgid = 4242;
    attempt.length = 32;
    attempt.signature = 0x53053053;
    attempt.error = error;
    return of_mongod(Kind::refusal, attempt);
}

TEST(JournalEntry, AViolationNamesTheVictimAndTheField) {
    const auto fields = journal_entry(violation());
    ASSERT_TRUE(fields);
    for (const char* field :
         {"MESSAGE=mongod[4242] killed: rseq v2 violation, cpu_id_start overwritten "
          "(expected 3, found 0x80000003)",
          "PRIORITY=4", "RSEQ_PID=4242", "RSEQ_TID=4243", "RSEQ_COMM=mongod",
          "RSEQ_EXE=/usr/bin/mongod", "RSEQ_CGROUP=/system.slice/mongod.service",
          "RSEQ_UNIT=mongod.service", "RSEQ_SYSTEMD_SLICE=system.slice", "RSEQ_MODE=v2",
          "RSEQ_REASON=cpu_id_start", "RSEQ_EXPECTED=0x3", "RSEQ_FOUND=0x80000003",
          "RSEQ_IP=0x401000"}) {
        EXPECT_THAT(*fields, Contains(field));
    }
    EXPECT_THAT(*fields, Contains("MESSAGE_ID=" + std::string(message_id::violation)));
}

TEST(JournalEntry, AProcessThatDoesNotComplyNamesTheRuleAndTheReason) {
    Occurrence process = of_mongod(Kind::exec, {});
    process.mode = Mode::v2;
    policy::Rule rule;
    rule.name = "stays-legacy";
    rule.origin = {"/etc/rseq-compat/policy.d/10-mongod.yaml", 3, 5};
    const enforce::Compliance compliance{enforce::Verdict::no, enforce::Reason::lost_race, &rule,
                                         "legacy allow", "auto allow"};
    const JournalFields fields = journal_entry_not_compliant(process, compliance);
    for (const char* field :
         {"MESSAGE=mongod[4242] does not comply with the rule stays-legacy: lost the race",
          "PRIORITY=4", "RSEQ_PID=4242", "RSEQ_COMM=mongod", "RSEQ_EXE=/usr/bin/mongod",
          "RSEQ_UNIT=mongod.service", "RSEQ_MODE=v2", "RSEQ_REASON=lost the race",
          "RSEQ_RULE=stays-legacy", "RSEQ_RULE_FILE=/etc/rseq-compat/policy.d/10-mongod.yaml:3",
          "RSEQ_EXPECTED=legacy allow", "RSEQ_FOUND=auto allow"}) {
        EXPECT_THAT(fields, Contains(field));
    }
}

TEST(JournalEntry, ANameCannotForgeALineOrAField) {
    Occurrence occurrence = violation();
    occurrence.comm = "x\nMESSAGE=y";
    const auto fields = journal_entry(occurrence);
    ASSERT_TRUE(fields);
    // The bytes themselves, with which the journal's protocol can cope; escaped for people.
    EXPECT_THAT(*fields, Contains("RSEQ_COMM=x\nMESSAGE=y"));
    EXPECT_THAT(fields->front(), StartsWith("MESSAGE=x\\x0aMESSAGE=y[4242] killed"));
}

TEST(JournalEntry, WhatIsNotKnownHasNoField) {
    Occurrence occurrence = violation();
    occurrence.exe.clear();
    occurrence.unit.clear();
    occurrence.cgroup.clear();
    const auto fields = journal_entry(occurrence);
    ASSERT_TRUE(fields);
    EXPECT_THAT(*fields, Each(Not(StartsWith("RSEQ_EXE"))));
    EXPECT_THAT(*fields, Each(Not(StartsWith("RSEQ_UNIT"))));
    EXPECT_THAT(*fields, Each(Not(StartsWith("RSEQ_SYSTEMD_SLICE"))));
}

TEST(JournalEntry, ARefusedRegistrationNamesTheError) {
    const auto fields = journal_entry(refusal(EBUSY));
    ASSERT_TRUE(fields);
    EXPECT_THAT(*fields, Contains("MESSAGE=mongod[4242]: registration of 32 bytes refused: EBUSY"));
    EXPECT_THAT(*fields, Contains("RSEQ_ERRNO=EBUSY"));
    EXPECT_THAT(*fields, Contains("RSEQ_LENGTH=32"));
}

TEST(JournalEntry, ARegistrationThatSucceededIsNoNews) {
    EXPECT_FALSE(journal_entry(refusal(0)));
}

TEST(SliceOfCgroup, IsTheInnermostOne) {
    EXPECT_EQ(slice_of_cgroup("/system.slice/system-getty.slice/getty@tty1.service"),
              "system-getty.slice");
    EXPECT_EQ(slice_of_cgroup("/user.slice/user-1000.slice/user@1000.service/app.slice"),
              "app.slice");
    EXPECT_EQ(slice_of_cgroup("/init.scope"), "");
    EXPECT_EQ(slice_of_cgroup("/.slice/x"), "");
    EXPECT_EQ(slice_of_cgroup(""), "");
}

Occurrence in_cgroup(const std::string& cgroup) {
    Occurrence occurrence = violation();
    occurrence.cgroup = cgroup;
    occurrence.unit = proc::unit_of_cgroup(cgroup).display_name();
    return occurrence;
}

TEST(PartyOf, IsTheUnitOrContainer) {
    const std::string id(64, 'a');
    EXPECT_EQ(party_of(in_cgroup("/system.slice/mongod.service")), "mongod.service");
    EXPECT_EQ(party_of(in_cgroup("/system.slice/mongod.service (deleted)")), "mongod.service");
    EXPECT_EQ(party_of(in_cgroup("/docker/" + id)), "docker/aaaaaaaaaaaa");
    EXPECT_EQ(party_of(in_cgroup("/docker/" + id + "/system.slice/x.service")),
              "docker/aaaaaaaaaaaa");
    EXPECT_THAT(party_of(in_cgroup("/kubepods/burstable/pod1/" + id)), StartsWith("kubernetes/"));
    EXPECT_EQ(party_of(in_cgroup("/dev-hugepages.mount (deleted)")), "dev-hugepages.mount");
    EXPECT_EQ(party_of(in_cgroup("/system.slice/docker-" + id + ".scope (deleted)")),
              "docker-" + id + ".scope");
    EXPECT_EQ(party_of(in_cgroup("/init.scope")), "init.scope");
    EXPECT_EQ(party_of(in_cgroup("/")), "");
    EXPECT_EQ(party_of(in_cgroup("")), "");
}

TEST(PartyOf, IsOneForAllThatAUserOrAServiceCanMake) {
    const std::string id(64, 'a');
    const std::string of_user = "/user.slice/user-1000.slice/";
    for (const std::string& below :
         {std::string("session-3.scope"), std::string("user@1000.service/app.slice/a.service"),
          std::string("user@1000.service/app.slice/docker/") + id}) {
        EXPECT_EQ(party_of(in_cgroup(of_user + below)), "user-1000.slice");
    }
    EXPECT_EQ(party_of(in_cgroup("/system.slice/delegated.service/docker/" + id)),
              "delegated.service");
    EXPECT_EQ(party_of(in_cgroup("/lxc.payload.c1/docker-" + id + ".scope")), "lxc.payload.c1");
    EXPECT_EQ(party_of(in_cgroup("/lxc.payload.c1/init.scope")), "lxc.payload.c1");
}

class JournalTest : public ::testing::Test {
protected:
    std::vector<JournalFields> sent_;
    Journal journal_{{.interval_ns = 1000, .burst = 2}, [this](const JournalFields& fields) {
                         sent_.push_back(fields);
                     }};
};

TEST_F(JournalTest, WhatIsBeyondTheBurstIsCountedAndReportedWhenTheIntervalIsOver) {
    for (int i = 0; i < 5; ++i) {
        journal_.report(violation(), 100);
    }
    EXPECT_THAT(sent_, SizeIs(2));
    ASSERT_EQ(journal_.flush_at(), 1100);
    journal_.flush(1099);
    EXPECT_THAT(sent_, SizeIs(2));
    journal_.flush(1100);
    ASSERT_THAT(sent_, SizeIs(3));
    EXPECT_THAT(sent_.back(), Contains("RSEQ_SUPPRESSED=3"));
    EXPECT_FALSE(journal_.flush_at());
}

TEST_F(JournalTest, ANewIntervalLetsABurstThroughAgain) {
    for (const std::uint64_t now : {100U, 100U, 100U, 1100U, 1100U, 1100U}) {
        journal_.report(violation(), now);
    }
    EXPECT_THAT(sent_, SizeIs(4));
    // What the first interval held back is not forgotten.
    journal_.flush(2100);
    EXPECT_THAT(sent_.back(), Contains("RSEQ_SUPPRESSED=2"));
}

TEST_F(JournalTest, OneKindDoesNotCrowdOutAnother) {
    for (int i = 0; i < 5; ++i) {
        journal_.report(refusal(EBUSY), 100);
    }
    journal_.report(violation(), 100);
    EXPECT_THAT(sent_.back(), Contains("RSEQ_REASON=cpu_id_start"));
}

TEST_F(JournalTest, NobodyCanHideWhatHappensToOthers) {
    const std::string of_user = "/user.slice/user-1000.slice/user@1000.service/app.slice/run-";
    for (int i = 0; i < 300; ++i) {
        journal_.report(in_cgroup(of_user + std::to_string(i) + ".scope"), 100);
    }
    EXPECT_THAT(sent_, SizeIs(2));
    journal_.report(violation(), 100);
    ASSERT_THAT(sent_, SizeIs(3));
    EXPECT_THAT(sent_.back(), Contains("RSEQ_UNIT=mongod.service"));
    journal_.report(violation(), 100);
    EXPECT_THAT(sent_, SizeIs(3)) << "only the first one of each";
    journal_.flush(1100);
    EXPECT_THAT(sent_.back(), Contains("RSEQ_SUPPRESSED=299"));
}

TEST_F(JournalTest, TheFirstOfEachUnitIsWrittenInEachIntervalAnew) {
    for (const std::uint64_t now : {100U, 1100U}) {
        for (int i = 0; i < 5; ++i) {
            journal_.report(in_cgroup("/system.slice/noisy.service"), now);
        }
        journal_.report(violation(), now);
        EXPECT_THAT(sent_.back(), Contains("RSEQ_UNIT=mongod.service"));
    }
    EXPECT_THAT(sent_, SizeIs(6));
}

TEST_F(JournalTest, NotMoreThanAHundredUnitsAreToldApart) {
    for (int i = 0; i < 1000; ++i) {
        journal_.report(in_cgroup("/system.slice/a" + std::to_string(i) + ".service"), 100);
    }
    EXPECT_THAT(sent_, SizeIs(100));
}

TEST_F(JournalTest, LatchedPoliciesAreForDebugging) {
    const auto latched = of_mongod(
        Kind::policy, event::PolicyLatched{4242, {PolicyMode::legacy, PolicySlice::allow}});
    journal_.report(latched, 100);
    EXPECT_THAT(sent_, IsEmpty());
    log::set_max_level(static_cast<int>(log::Level::debug));
    journal_.report(latched, 100);
    log::set_max_level(static_cast<int>(log::Level::info));
    ASSERT_THAT(sent_, SizeIs(1));
    EXPECT_THAT(sent_.back(), Contains("RSEQ_POLICY=legacy allow"));
}

} // namespace

} // namespace rseq::daemon
