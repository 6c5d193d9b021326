// SPDX-License-Identifier: GPL-2.0-or-later
#include "core/parse.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>

using namespace rseq;
using namespace std::string_view_literals;

TEST(ParseNumber, ReadsWholeDecimalNumbers) {
    EXPECT_EQ(parse_number<int>("0"), 0);
    EXPECT_EQ(parse_number<int>("4194304"), 4194304);
    EXPECT_EQ(parse_number<int>("-1"), -1);
    EXPECT_EQ(parse_number<int>("007"), 7);
}

TEST(ParseNumber, ReadsTheLimitsOfItsTypeAndNothingBeyond) {
    EXPECT_EQ(parse_number<std::int32_t>("2147483647"), std::numeric_limits<std::int32_t>::max());
    EXPECT_EQ(parse_number<std::int32_t>("-2147483648"), std::numeric_limits<std::int32_t>::min());
    EXPECT_EQ(parse_number<std::int32_t>("2147483648"), std::nullopt);
    EXPECT_EQ(parse_number<std::int32_t>("-2147483649"), std::nullopt);
    EXPECT_EQ(parse_number<std::uint64_t>("18446744073709551615"),
              std::numeric_limits<std::uint64_t>::max());
    EXPECT_EQ(parse_number<std::uint64_t>("18446744073709551616"), std::nullopt);
    EXPECT_EQ(parse_number<std::uint8_t>("255"), 255);
    EXPECT_EQ(parse_number<std::uint8_t>("256"), std::nullopt);
    EXPECT_EQ(parse_number<std::uint64_t>(std::string(100000, '9')), std::nullopt);
}

TEST(ParseNumber, RefusesEverythingElse) {
    for (const std::string_view text :
         {""sv, " "sv, " 1"sv, "1 "sv, "1\n"sv, "+1"sv, "--1"sv, "1x"sv, "x1"sv, "0x1"sv, "1.5"sv,
          "1e3"sv, "1\0"sv, "\xd9\xa1"sv}) {
        EXPECT_EQ(parse_number<int>(text), std::nullopt) << '"' << text << '"';
    }
    EXPECT_EQ(parse_number<int>(std::string_view()), std::nullopt);
}

TEST(ParseNumber, HasNoSignForUnsignedTypes) {
    EXPECT_EQ(parse_number<unsigned>("-1"), std::nullopt);
    EXPECT_EQ(parse_number<unsigned>("-0"), std::nullopt);
}

TEST(ParseNumber, ReadsOtherBasesOnRequest) {
    EXPECT_EQ(parse_number<std::uint32_t>("53053053", 16), 0x53053053U);
    EXPECT_EQ(parse_number<std::uint32_t>("0x53", 16), std::nullopt);
}

TEST(TakeUntil, TakesTheTextAndTheSeparator) {
    std::string_view rest = "a:b::c";
    EXPECT_EQ(take_until(rest, ':'), "a");
    EXPECT_EQ(take_until(rest, ':'), "b");
    EXPECT_EQ(take_until(rest, ':'), "");
    EXPECT_EQ(rest, "c");
}

TEST(TakeUntil, TakesAllWithoutASeparatorAndNothingOfNothing) {
    std::string_view rest = "abc";
    EXPECT_EQ(take_until(rest, ':'), "abc");
    EXPECT_TRUE(rest.empty());
    EXPECT_EQ(take_until(rest, ':'), "");
    EXPECT_TRUE(rest.empty());
}

TEST(TakeUntil, TakesASeparatorAtTheEndWithTheText) {
    std::string_view rest = "abc\n";
    EXPECT_EQ(take_until(rest, '\n'), "abc");
    EXPECT_TRUE(rest.empty());
}

TEST(Trim, RemovesBlanksAndTabsFromBothEndsOnly) {
    EXPECT_EQ(trim(" \t a b\t "), "a b");
    EXPECT_EQ(trim("a"), "a");
    EXPECT_EQ(trim(" \t "), "");
    EXPECT_EQ(trim(""), "");
    EXPECT_EQ(trim("a\n"), "a\n");
}

TEST(ValueOfKey, IsThatOfTheFirstLineWithTheKeyAndOnlyOfAWholeLine) {
    constexpr std::string_view text = "Tgid:\t12\nSeccomp: 2 \nTgid:\t13\nLast:\t4";
    EXPECT_EQ(value_of_key(text, "Tgid"), "12");
    EXPECT_EQ(value_of_key(text, "Seccomp"), "2");
    EXPECT_EQ(value_of_key(text, "Last"), std::nullopt);
    EXPECT_EQ(value_of_key(text, "gid"), std::nullopt);
    EXPECT_EQ(value_of_key("", "Tgid"), std::nullopt);
}
