// SPDX-License-Identifier: GPL-2.0-or-later
#include "proc/stat.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>

using rseq::proc::parse_stat;
using namespace std::string_literals;

namespace {

/// A stat file as Linux writes it, 52 fields, with those of interest put in.
std::string stat_of(const std::string& comm, const std::string& flags = "4194560",
                    const std::string& threads = "1", const std::string& start = "8417") {
    return "4242 (" + comm + ") S 1 4242 4242 0 -1 " + flags + " 2411 50123 12 7 3 2 120 41 20 0 " +
           threads + " 0 " + start +
           " 172441600 3193 18446744073709551615 1 1 0 0 0 0 671173123 4096 1260 0 0 0 17 1 0 0 0 "
           "0 0 0 0 0 0 0 0 0 0\n";
}

int code_of(std::string_view text) {
    const auto stat = parse_stat(text);
    return stat ? 0 : stat.error().code;
}

} // namespace

TEST(ParseStat, ReadsNameFlagsThreadsAndStart) {
    const std::string text = stat_of("mongod", "4194560", "37", "8417");
    const auto stat = parse_stat(text);
    ASSERT_TRUE(stat) << stat.error().message();
    EXPECT_EQ(stat->comm, "mongod");
    EXPECT_FALSE(stat->kernel_thread);
    EXPECT_EQ(stat->threads, 37U);
    EXPECT_EQ(stat->start_ticks, 8417U);
}

TEST(ParseStat, TellsKernelThreadsByTheirFlag) {
    const std::string text = stat_of("kworker/0:1-events_power_efficient", "69238880");
    const auto stat = parse_stat(text);
    ASSERT_TRUE(stat);
    EXPECT_TRUE(stat->kernel_thread);
    EXPECT_EQ(stat->comm, "kworker/0:1-events_power_efficient");
}

TEST(ParseStat, ANameMayHoldAnythingAndEndsAtTheLastParenthesis) {
    for (const std::string& comm :
         {"a) R 0 0 0"s, ")"s, "("s, ") ("s, "((()))"s, "a b"s, "a\nb"s, "a\tb"s, "\x1b[31m"s,
          "\xff\xfe"s, "\xe2\x80\xae"s, ""s, " "s, "a\\b"s, "1 (x) S 1"s}) {
        const std::string text = stat_of(comm);
        const auto stat = parse_stat(text);
        ASSERT_TRUE(stat) << comm;
        EXPECT_EQ(stat->comm, comm);
        EXPECT_EQ(stat->start_ticks, 8417U);
    }
}

TEST(ParseStat, ReadsNumbersAtTheirLimits) {
    const std::string text = stat_of("x", "4294967295", "4294967295", "18446744073709551615");
    const auto stat = parse_stat(text);
    ASSERT_TRUE(stat);
    EXPECT_TRUE(stat->kernel_thread);
    EXPECT_EQ(stat->threads, std::numeric_limits<std::uint32_t>::max());
    EXPECT_EQ(stat->start_ticks, std::numeric_limits<std::uint64_t>::max());
}

TEST(ParseStat, RefusesNumbersThatDoNotFitOrAreNone) {
    for (const std::string bad : {"4294967296", "-1", "x", "", "0x10", "1.5"}) {
        EXPECT_EQ(code_of(stat_of("x", bad)), EPROTO) << bad;
        EXPECT_EQ(code_of(stat_of("x", "0", bad)), EPROTO) << bad;
    }
    for (const std::string bad : {"18446744073709551616", "-1", "x", ""}) {
        EXPECT_EQ(code_of(stat_of("x", "0", "1", bad)), EPROTO) << bad;
    }
}

TEST(ParseStat, RefusesTheTextCutOffAnywhere) {
    const std::string whole = stat_of("a (b) c");
    ASSERT_EQ(code_of(whole), 0);
    for (std::size_t length = 0; length < whole.size(); length++) {
        EXPECT_EQ(code_of(std::string_view(whole).substr(0, length)), EPROTO) << length;
    }
}

TEST(ParseStat, RefusesWhatIsNoStat) {
    EXPECT_EQ(code_of("\n"), EPROTO);
    EXPECT_EQ(code_of("1 x S 1\n"), EPROTO);
    EXPECT_EQ(code_of(")(\n"), EPROTO);
    EXPECT_EQ(code_of("1 (x)\n"), EPROTO);
    EXPECT_EQ(code_of("1 ) S 1 7 7 0 -1 0 0 0 0 0 0 0 0 0 20 0 3 0 900 0 (\n"), EPROTO);
    EXPECT_EQ(code_of(std::string(4096, '\0')), EPROTO);
    EXPECT_EQ(code_of("\x7f"
                      "ELF\x02\x01\x01(\0)\0\n"),
              EPROTO);
    EXPECT_EQ(code_of(std::string(1UL << 20U, '(') + ")\n"), EPROTO);
}
