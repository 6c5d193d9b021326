// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/manager_violations.h"
#include "daemon/state.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <string>

namespace rseq::daemon {

namespace {

using ::testing::SizeIs;

Occurrence violation_in(const std::string& cgroup, pid_t pid) {
    Occurrence occurrence;
    occurrence.kind = Kind::violation;
    occurrence.process.pid = pid;
    occurrence.cgroup = cgroup;
    occurrence.unit = proc::unit_of_cgroup(cgroup).display_name();
    return occurrence;
}

/// Each time in a unit of its own.
Occurrence violation_of_user(pid_t pid) {
    return violation_in("/user.slice/user-1000.slice/user@1000.service/app.slice/run-" +
                            std::to_string(pid) + ".scope",
                        pid);
}

class KeptViolations : public ::testing::Test {
protected:
    [[nodiscard]] bool has(pid_t pid) const {
        return std::any_of(kept_.begin(), kept_.end(),
                           [pid](const Occurrence& one) { return one.process.pid == pid; });
    }

    std::deque<Occurrence> kept_;
};

TEST_F(KeptViolations, OfTooManyTheOldestOfTheUserWhoHasTheMostGoes) {
    constexpr pid_t mongod = 7;
    for (pid_t pid = 1000; pid < 1300; ++pid) {
        keep_violation(kept_, violation_of_user(pid));
    }
    keep_violation(kept_, violation_in("/system.slice/mongod.service", mongod));
    for (pid_t pid = 2000; pid < 2300; ++pid) {
        keep_violation(kept_, violation_of_user(pid));
    }
    EXPECT_THAT(kept_, SizeIs(violations_kept));
    EXPECT_TRUE(has(mongod));
    EXPECT_EQ(kept_.front().process.pid, mongod) << "oldest first";
    EXPECT_EQ(kept_.back().process.pid, 2299);
    EXPECT_FALSE(has(2299 - static_cast<pid_t>(violations_kept) + 1));
}

TEST_F(KeptViolations, OfUnitsWithOneEachTheOldestGoes) {
    for (pid_t pid = 1; pid <= static_cast<pid_t>(violations_kept) + 1; ++pid) {
        keep_violation(kept_,
                       violation_in("/system.slice/a" + std::to_string(pid) + ".service", pid));
    }
    EXPECT_THAT(kept_, SizeIs(violations_kept));
    EXPECT_FALSE(has(1));
    EXPECT_TRUE(has(2));
}

TEST(CompletedVictim, KeepsWhatIsKnownOfIt) {
    snapshot::Process seen;
    seen.key = {7, 777};
    seen.exe = "/usr/bin/mongod";
    seen.cgroup = "/elsewhere.slice/other.service";
    seen.unit = proc::unit_of_cgroup(seen.cgroup);
    Occurrence victim = violation_in("/system.slice/mongod.service", 7);
    complete(victim, seen);
    EXPECT_EQ(victim.exe, "/usr/bin/mongod");
    EXPECT_EQ(victim.process.start_ticks, 777U);
    EXPECT_EQ(victim.cgroup, "/system.slice/mongod.service");
    EXPECT_EQ(victim.unit, "mongod.service");
    complete(victim, {});
    EXPECT_EQ(victim.exe, "/usr/bin/mongod");
    EXPECT_EQ(victim.process.start_ticks, 777U);
}

TEST(CompletedVictim, GetsTheUnitWithTheCgroup) {
    snapshot::Process seen;
    seen.cgroup = "/system.slice/mongod.service";
    seen.unit = proc::unit_of_cgroup(seen.cgroup);
    Occurrence victim;
    complete(victim, seen);
    EXPECT_EQ(victim.cgroup, "/system.slice/mongod.service");
    EXPECT_EQ(victim.unit, "mongod.service");
}

} // namespace

} // namespace rseq::daemon
