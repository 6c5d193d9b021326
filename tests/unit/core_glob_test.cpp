// SPDX-License-Identifier: GPL-2.0-or-later
#include "core/glob.h"

#include <gtest/gtest.h>

#include <string>

using rseq::Glob;

namespace {

bool matches(const std::string& pattern, const std::string& text) {
    return Glob(pattern).matches(text);
}

TEST(Glob, WithoutAWildcardMatchesItselfAlone) {
    EXPECT_TRUE(matches("abc", "abc"));
    EXPECT_FALSE(matches("abc", "abcd"));
    EXPECT_FALSE(matches("abc", "ab"));
    EXPECT_TRUE(matches("", ""));
    EXPECT_FALSE(matches("", "a"));
    EXPECT_TRUE(matches("a]b", "a]b"));
}

TEST(Glob, OneAsteriskAtEitherEndOrWithin) {
    EXPECT_TRUE(matches("*", ""));
    EXPECT_TRUE(matches("*", "abc"));
    EXPECT_TRUE(matches("ab*", "abc"));
    EXPECT_TRUE(matches("*bc", "abc"));
    EXPECT_TRUE(matches("a*c", "abc"));
    EXPECT_TRUE(matches("a*c", "ac"));
    EXPECT_FALSE(matches("a*c", "abd"));
    EXPECT_FALSE(matches("a*c", "bbc"));
}

TEST(Glob, WhatIsBeforeAndBehindAnAsteriskDoesNotOverlap) {
    EXPECT_FALSE(matches("aba*aba", "aba"));
    EXPECT_FALSE(matches("aba*aba", "ababa"));
    EXPECT_TRUE(matches("aba*aba", "abaaba"));
}

TEST(Glob, SeveralWildcards) {
    EXPECT_TRUE(matches("*b*", "abc"));
    EXPECT_TRUE(matches("a?c", "abc"));
    EXPECT_FALSE(matches("a?c", "ac"));
    EXPECT_TRUE(matches("x[a-c]?*", "xbz"));
    EXPECT_FALSE(matches("x[!a-c]?*", "xbz"));
    EXPECT_FALSE(matches("yy*b*", "yb"));
}

TEST(Glob, SlashesAndLeadingDotsAreOrdinary) {
    EXPECT_TRUE(matches("/a/*", "/a/b/c"));
    EXPECT_TRUE(matches("/a/*/c?", "/a/b/x/cd"));
    EXPECT_TRUE(matches("*", ".a/b"));
    EXPECT_TRUE(matches("?a*?", ".a/b"));
}

TEST(Glob, BackslashesAreOrdinary) {
    EXPECT_TRUE(matches(R"(a\x2d?*)", R"(a\x2db)"));
    EXPECT_FALSE(matches(R"(\*\*)", "**"));
    EXPECT_TRUE(matches("[*][?]", "*?"));
}

TEST(Glob, ABracketThatIsNotClosedIsOrdinary) {
    EXPECT_TRUE(matches("a[b", "a[b"));
    EXPECT_FALSE(matches("a[b", "ab"));
}

TEST(Glob, ANulByteCutsNothingOff) {
    EXPECT_FALSE(matches(std::string("a\0b", 3), "a"));
    EXPECT_FALSE(matches(std::string("a*\0?", 4), "ab"));
}

TEST(Glob, OnlyWithoutAWildcardIsItALiteral) {
    EXPECT_TRUE(Glob("abc").is_literal());
    EXPECT_FALSE(Glob("ab*").is_literal());
    EXPECT_FALSE(Glob("ab?").is_literal());
    EXPECT_FALSE(Glob("[ab]").is_literal());
    EXPECT_FALSE(Glob(std::string("a\0b", 3)).is_literal());
}

} // namespace
