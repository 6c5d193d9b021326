// SPDX-License-Identifier: GPL-2.0-or-later
// Violations as the journal has them: parsed, put together, and what to do about them.
#include "cli/violation_list.h"
#include "cli/violations_view.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <cstdlib>
#include <ctime>
#include <map>
#include <string>

using namespace rseq;
using namespace rseq::cli;

namespace {

std::map<std::string, std::string> fields() {
    return {{"RSEQ_PID", "42"},
            {"RSEQ_COMM", "mongod"},
            {"RSEQ_EXE", "/usr/bin/mongod"},
            {"RSEQ_CGROUP", "/system.slice/mongod.service"},
            {"RSEQ_UNIT", "mongod.service"},
            {"RSEQ_MODE", "v2"},
            {"RSEQ_REASON", "cpu_id_start"},
            {"RSEQ_EXPECTED", "0x3"},
            {"RSEQ_FOUND", "0x80000003"}};
}

Killed killed(std::uint64_t time = 1) {
    return *parse_killed(time, fields());
}

TEST(ParseKilled, TakesTheFieldsOfTheJournal) {
    const Killed one = killed(7);
    EXPECT_EQ(one.time_usec, 7U);
    EXPECT_EQ(one.pid, 42);
    EXPECT_EQ(one.comm, "mongod");
    EXPECT_EQ(one.unit, "mongod.service");
    EXPECT_EQ(one.mode, Mode::v2);
    EXPECT_EQ(one.expected, 3U);
    EXPECT_EQ(one.found, 0x80000003U);
}

TEST(ParseKilled, NeedsAProcessAndAReason) {
    for (const char* name : {"RSEQ_PID", "RSEQ_REASON"}) {
        auto without = fields();
        without.erase(name);
        EXPECT_FALSE(parse_killed(1, without)) << name;
    }
    auto wrong = fields();
    wrong["RSEQ_PID"] = "-1";
    EXPECT_FALSE(parse_killed(1, wrong));
    wrong["RSEQ_PID"] = "many";
    EXPECT_FALSE(parse_killed(1, wrong));
}

TEST(ParseKilled, ValuesThatAreNoneAreNotKnown) {
    auto wrong = fields();
    wrong["RSEQ_FOUND"] = "80000003";
    wrong.erase("RSEQ_EXPECTED");
    const auto one = parse_killed(1, wrong);
    ASSERT_TRUE(one);
    EXPECT_EQ(one->found, std::nullopt);
    EXPECT_EQ(one->expected, std::nullopt);
}

TEST(Group, PutsTogetherWhatDiffersInTimeProcessAndValuesAlone) {
    Killed first = killed(30);
    Killed second = killed(10);
    second.pid = 43;
    second.found = 5;
    Killed other = killed(20);
    other.reason = "mm_cid";
    const auto groups = group({first, second, other});
    ASSERT_EQ(groups.size(), 2U);
    EXPECT_EQ(groups[0].last.reason, "mm_cid");
    EXPECT_EQ(groups[0].times, 1U);
    EXPECT_EQ(groups[1].times, 2U);
    EXPECT_EQ(groups[1].first_time_usec, 10U);
    EXPECT_EQ(groups[1].last.time_usec, 30U);
    EXPECT_EQ(groups[1].last.pid, 42);
}

TEST(PinningCommand, IsForServicesThatV1WouldHaveKeptAlive) {
    EXPECT_EQ(
        pinning_command(killed()),
        "rseqctl policy set mongod.service --mode legacy && systemctl restart mongod.service");
    Killed one = killed();
    one.mode = Mode::v1;
    EXPECT_EQ(pinning_command(one), std::nullopt);
    one = killed();
    one.reason = "signature";
    EXPECT_EQ(pinning_command(one), std::nullopt);
    one = killed();
    one.cgroup = "/user.slice/user-1000.slice/user@1000.service/app.slice/mongod.service";
    EXPECT_EQ(pinning_command(one), std::nullopt);
    one.cgroup = "/system.slice/a b;c.service";
    EXPECT_EQ(pinning_command(one),
              "rseqctl policy set 'a b;c.service' --mode legacy && systemctl restart "
              "'a b;c.service'");
}

TEST(Since, IsAMomentOrATimeAgo) {
    ::setenv("TZ", "UTC", 1);
    ::tzset();
    constexpr std::uint64_t second = 1'000'000;
    constexpr std::uint64_t now = 1'769'865'000 * second; // 2026-01-31 13:10:00
    EXPECT_EQ(parse_since("2026-01-31 12:00", now), 1'769'860'800 * second);
    EXPECT_EQ(parse_since("2026-01-31 12:00:01", now), 1'769'860'801 * second);
    EXPECT_EQ(parse_since("2026-01-31", now), 1'769'817'600 * second);
    EXPECT_EQ(parse_since("today", now), 1'769'817'600 * second);
    EXPECT_EQ(parse_since("yesterday", now), 1'769'731'200 * second);
    EXPECT_EQ(parse_since("2h", now), now - 7200 * second);
    EXPECT_EQ(parse_since("30min", now), now - 1800 * second);
    EXPECT_EQ(parse_since("4000000000w", now), 0U);
    for (const char* text : {"", "soon", "2", "h", "-1h", "2026-13-01", "2026-01-31 noon"}) {
        EXPECT_FALSE(parse_since(text, now)) << text;
    }
}

TEST(ViolationsText, EscapesNamesAndNamesTheCommandOnce) {
    Killed hostile = killed(1);
    hostile.comm = "a\033[1m";
    Killed other = killed(2);
    other.comm = "b";
    const std::string text = violations_to_text(group({hostile, other}), true, false);
    EXPECT_NE(text.find("a\\x1b[1m"), std::string::npos);
    EXPECT_EQ(text.find('\033'), std::string::npos);
    EXPECT_NE(text.find("cpu_id_start overwritten (expected 3, found 0x80000003)"),
              std::string::npos);
    const auto command = text.find("policy set mongod.service");
    ASSERT_NE(command, std::string::npos);
    EXPECT_EQ(text.find("policy set mongod.service", command + 1), std::string::npos);
}

} // namespace
