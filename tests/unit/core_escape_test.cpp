// SPDX-License-Identifier: GPL-2.0-or-later
#include "core/escape.h"

#include <gtest/gtest.h>

#include <array>
#include <set>
#include <string>
#include <string_view>

using rseq::escape_untrusted;
using rseq::first_unprintable;
using rseq::replace_invalid_utf8;
using namespace std::string_literals;

TEST(Escape, LeavesPrintableAsciiAlone) {
    std::string printable;
    for (char c = ' '; c <= '~'; c++) {
        if (c != '\\') {
            printable += c;
        }
    }
    EXPECT_EQ(escape_untrusted(printable), printable);
}

TEST(Escape, LeavesTheLettersOfOtherLanguagesAlone) {
    for (const std::string_view name : {"größe", "имя", "名前", "프로그램", "😀"}) {
        EXPECT_EQ(escape_untrusted(name), name);
    }
}

TEST(Escape, GivesNothingForNothing) {
    EXPECT_EQ(escape_untrusted(""), "");
}

TEST(Escape, ShowsEveryControlCharacterAsItsByte) {
    EXPECT_EQ(escape_untrusted("a\x1b[2Jb"), "a\\x1b[2Jb");
    EXPECT_EQ(escape_untrusted("a\nb\tc\rd\ve\x08"), "a\\x0ab\\x09c\\x0dd\\x0be\\x08");
    EXPECT_EQ(escape_untrusted("a\0b"s), "a\\x00b");
    EXPECT_EQ(escape_untrusted("a\x7f"), "a\\x7f");
    // U+009B is the one-character form of ESC [, and U+0085 a line end.
    EXPECT_EQ(escape_untrusted("\xc2\x9b"
                               "31m\xc2\x85"),
              "\\xc2\\x9b31m\\xc2\\x85");
}

TEST(Escape, DoublesTheBackslashSoThatNoNameCanPoseAsAnEscape) {
    EXPECT_EQ(escape_untrusted("\\x1b"), "\\\\x1b");
    EXPECT_NE(escape_untrusted("\\x1b"), escape_untrusted("\x1b"));
    EXPECT_NE(escape_untrusted("\\\\"), escape_untrusted("\\"));
}

TEST(Escape, ShowsInvalidUtf8ByteByByteAndGoesOnBehindIt) {
    struct Case {
        const char* what;
        std::string_view name;
        std::string_view shown;
    };
    constexpr std::array cases{
        Case{"a continuation without a start", "a\x80z", "a\\x80z"},
        Case{"a start without continuation", "a\xc3z", "a\\xc3z"},
        Case{"cut off at the end", "a\xe2\x82", "a\\xe2\\x82"},
        Case{"four bytes cut off", "\xf0\x9f\x98", "\\xf0\\x9f\\x98"},
        Case{"overlong slash in two bytes", "\xc0\xaf", "\\xc0\\xaf"},
        Case{"overlong two", "\xc1\xbf", "\\xc1\\xbf"},
        Case{"overlong slash in three", "\xe0\x80\xaf", "\\xe0\\x80\\xaf"},
        Case{"overlong three", "\xe0\x9f\xbf", "\\xe0\\x9f\\xbf"},
        Case{"overlong four", "\xf0\x8f\xbf\xbf", "\\xf0\\x8f\\xbf\\xbf"},
        Case{"a surrogate", "\xed\xa0\x80", "\\xed\\xa0\\x80"},
        Case{"the last surrogate", "\xed\xbf\xbf", "\\xed\\xbf\\xbf"},
        Case{"past U+10FFFF", "\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80"},
        Case{"never in UTF-8", "\xf5\xfe\xff", "\\xf5\\xfe\\xff"},
        Case{"a good letter behind a bad start", "\xe2\xc3\xa4", "\\xe2\xc3\xa4"},
    };
    for (const Case& c : cases) {
        EXPECT_EQ(escape_untrusted(c.name), c.shown) << c.what;
    }
}

TEST(Escape, AcceptsTheOutermostValuesOfEachLengthOfUtf8) {
    for (const std::string_view name : {"\xc2\xa0", "\xdf\xbf", "\xe0\xa0\x80", "\xed\x9f\xbf",
                                        "\xee\x80\x80", "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf"}) {
        EXPECT_EQ(escape_untrusted(name), name);
    }
}

TEST(Escape, DoesNotLetANameTurnTheDirectionOfTheText) {
    // U+202E RIGHT-TO-LEFT OVERRIDE, U+2066 LEFT-TO-RIGHT ISOLATE, U+200F, U+061C
    EXPECT_EQ(escape_untrusted("a\xe2\x80\xae"
                               "b"),
              "a\\xe2\\x80\\xaeb");
    EXPECT_EQ(escape_untrusted("\xe2\x81\xa6"), "\\xe2\\x81\\xa6");
    EXPECT_EQ(escape_untrusted("\xe2\x80\x8f"), "\\xe2\\x80\\x8f");
    EXPECT_EQ(escape_untrusted("\xd8\x9c"), "\\xd8\\x9c");
}

TEST(Escape, DoesNotLetANameEndTheLine) {
    // U+2028 LINE SEPARATOR, U+2029 PARAGRAPH SEPARATOR
    EXPECT_EQ(escape_untrusted("\xe2\x80\xa8\xe2\x80\xa9"), "\\xe2\\x80\\xa8\\xe2\\x80\\xa9");
}

TEST(Escape, ShowsCharactersThatCannotBeSeen) {
    // Zero width space, byte order mark, soft hyphen, Hangul filler, a variation selector, a tag.
    EXPECT_EQ(escape_untrusted("\xe2\x80\x8b"), "\\xe2\\x80\\x8b");
    EXPECT_EQ(escape_untrusted("\xef\xbb\xbf"), "\\xef\\xbb\\xbf");
    EXPECT_EQ(escape_untrusted("\xc2\xad"), "\\xc2\\xad");
    EXPECT_EQ(escape_untrusted("\xe3\x85\xa4"), "\\xe3\\x85\\xa4");
    EXPECT_EQ(escape_untrusted("\xef\xb8\x8f"), "\\xef\\xb8\\x8f");
    EXPECT_EQ(escape_untrusted("\xf3\xa0\x81\x81"), "\\xf3\\xa0\\x81\\x81");
}

TEST(Escape, KeepsTheNeighboursOfWhatItEscapes) {
    // U+00AC, U+00AE, U+202F, U+2070, U+FE10, U+1D17B
    for (const std::string_view name : {"\xc2\xac", "\xc2\xae", "\xe2\x80\xaf", "\xe2\x81\xb0",
                                        "\xef\xb8\x90", "\xf0\x9d\x85\xbb"}) {
        EXPECT_EQ(escape_untrusted(name), name);
    }
}

TEST(Escape, GivesEveryPairOfBytesATextOfItsOwn) {
    std::set<std::string> texts;
    for (unsigned first = 0; first < 256; first++) {
        for (unsigned second = 0; second < 256; second++) {
            const std::string name{static_cast<char>(first), static_cast<char>(second)};
            texts.insert(escape_untrusted(name));
        }
    }
    EXPECT_EQ(texts.size(), 256U * 256U);
}

TEST(FirstUnprintable, IsWhatWouldBeEscapedFirst) {
    const std::string_view text = "a\\é\xe2\x80\xae\xff\x1b";
    EXPECT_EQ(first_unprintable(text), "\xe2\x80\xae");
    EXPECT_EQ(first_unprintable(text).data(), text.data() + 4);
    EXPECT_EQ(first_unprintable(text.substr(7)), "\xff");
    EXPECT_EQ(first_unprintable(text.substr(8)), "\x1b");
    EXPECT_EQ(first_unprintable("\0"s), "\0"s);
}

TEST(FirstUnprintable, IsEmptyWhereNothingWouldBeEscaped) {
    EXPECT_EQ(first_unprintable(""), "");
    EXPECT_EQ(first_unprintable("a\\ é日本"), "");
}

TEST(Escape, ManagesANameOfAMegabyte) {
    const std::string name(std::size_t{1} << 20U, '\xff');
    EXPECT_EQ(escape_untrusted(name).size(), name.size() * 4);
}

TEST(ReplaceInvalidUtf8, LeavesUtf8AsItIs) {
    for (const std::string_view name : {"", "mongod.service", "a\nb\x1b[0m\\x2d",
                                        "\xc3\xa4\xe2\x82\xac\xf0\x9f\x90\xa7", "\xef\xbf\xbd"}) {
        EXPECT_EQ(replace_invalid_utf8(name), name);
    }
}

TEST(ReplaceInvalidUtf8, ReplacesEachByteThatIsNotPartOfIt) {
    EXPECT_EQ(replace_invalid_utf8("a\xff\xfe"), "a\xef\xbf\xbd\xef\xbf\xbd");
    EXPECT_EQ(replace_invalid_utf8("\xc3"), "\xef\xbf\xbd");
    // A surrogate.
    EXPECT_EQ(replace_invalid_utf8("\xed\xa0\x80"), "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");
}

TEST(ReplaceInvalidUtf8, ReplacesWhatProtocolsRefuse) {
    EXPECT_EQ(replace_invalid_utf8(std::string_view("a\0b", 3)), "a\xef\xbf\xbd"
                                                                 "b");
    // U+FFFE, U+FFFF, U+FDD0, U+1FFFE
    for (const std::string_view name :
         {"\xef\xbf\xbe", "\xef\xbf\xbf", "\xef\xb7\x90", "\xf0\x9f\xbf\xbe"}) {
        EXPECT_EQ(replace_invalid_utf8(name), "\xef\xbf\xbd");
    }
}
