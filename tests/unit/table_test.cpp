// SPDX-License-Identifier: GPL-2.0-or-later
#include "table/table.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <clocale>
#include <cstdint>
#include <limits>
#include <string>
#include <utility>

using namespace rseq;

namespace {

class TableTest : public testing::Test {
protected:
    TableTest() { std::setlocale(LC_CTYPE, "C.UTF-8"); }
    ~TableTest() override { std::setlocale(LC_CTYPE, "C"); }

    Table table{{{"PID", "pid", Align::right}, {"COMM", "comm"}, {"MODE", "mode"}}};
};

Cell plain(std::string text) {
    return Cell::word(std::move(text));
}

} // namespace

TEST_F(TableTest, AlignsColumnsToTheirWidestCellWithTwoBlanksBetween) {
    table.add({Cell::number(7), Cell::untrusted("mongod"), Cell::word("v1")});
    table.add({Cell::number(12345), Cell::untrusted("sh"), Cell::word("v2")});
    EXPECT_EQ(table.to_text({}), "  PID  COMM    MODE\n"
                                 "    7  mongod  v1\n"
                                 "12345  sh      v2\n");
}

TEST_F(TableTest, WithoutRowsIsItsHeaderOrNothing) {
    EXPECT_EQ(table.to_text({}), "PID  COMM  MODE\n");
    EXPECT_EQ(table.to_text({.header = false}), "");
    EXPECT_EQ(table.to_json().dump(), "[]");
    EXPECT_EQ(table.size(), 0U);
}

TEST_F(TableTest, WithoutHeaderIsAsNarrowAsItsCells) {
    table.add({Cell::number(1), Cell::untrusted("a"), Cell::word("v1")});
    table.add({Cell::number(2), Cell::untrusted("b"), Cell::word("v2")});
    EXPECT_EQ(table.to_text({.header = false}), "1  a  v1\n2  b  v2\n");
}

TEST_F(TableTest, ColumnsAreNotNarrowerThanTheirLeastWidth) {
    Table wide{
        {{"PID", "pid", Align::right, 5}, {"COMM", "comm", Align::left, 6}, {"MODE", "mode"}}};
    wide.add({Cell::number(1), Cell::untrusted("a"), Cell::word("v1")});
    EXPECT_EQ(wide.to_text({}), "  PID  COMM    MODE\n"
                                "    1  a       v1\n");
    wide.add({Cell::number(123456), Cell::untrusted("long-name"), Cell::word("v2")});
    EXPECT_EQ(wide.to_text({.header = false}), "     1  a          v1\n"
                                               "123456  long-name  v2\n");
}

TEST_F(TableTest, EndsNoLineInBlanks) {
    table.add({Cell::number(1), Cell::untrusted("long-name"), Cell::word("unknown")});
    table.add({Cell::number(2), Cell::untrusted("a"), Cell::word("v1")});
    table.add({Cell::number(3), Cell::untrusted("a"), Cell::word("")});
    table.add({Cell::number(4), Cell::untrusted(""), Cell::word("")});
    EXPECT_EQ(table.to_text({.header = false}), "1  long-name  unknown\n"
                                                "2  a          v1\n"
                                                "3  a\n"
                                                "4\n");
}

TEST_F(TableTest, CountsTerminalColumnsNotBytes) {
    table.add({Cell::number(1), Cell::untrusted("名前"), Cell::word("v1")}); // 4 columns, 6 bytes
    table.add({Cell::number(2), Cell::untrusted("größe"), Cell::word("v2")});
    table.add({Cell::number(3), Cell::untrusted("e\xcc\x81tat"), Cell::word("v1")}); // combining
    EXPECT_EQ(table.to_text({.header = false}), "1  名前   v1\n"
                                                "2  größe  v2\n"
                                                "3  e\xcc\x81tat   v1\n");
}

TEST_F(TableTest, CountsBytesThatAreNotUtf8AsOneColumnEach) {
    table.add({Cell::number(1), {"a\xff\xe2", nullptr, Style::plain}, Cell::word("v1")});
    table.add({Cell::number(2), Cell::word("abc"), Cell::word("v2")});
    EXPECT_EQ(table.to_text({.header = false}), "1  a\xff\xe2  v1\n2  abc  v2\n");
}

TEST_F(TableTest, PrintsUntrustedNamesOnOneLineWithoutControls) {
    table.add({Cell::number(1), Cell::untrusted("a\x1b[2J\n\t\xff)"), Cell::word("v1")});
    EXPECT_EQ(table.to_text({.header = false}), "1  a\\x1b[2J\\x0a\\x09\\xff)  v1\n");
}

TEST_F(TableTest, ColoursOnlyWhatHasAStyleAndOnlyOnRequest) {
    table.add({Cell::number(1), plain("x"), Cell::word("v1", Style::good)});
    table.add({Cell::none(), plain("y"), Cell::word("mixed", Style::bad)});
    table.add({Cell::number(3), plain("z"), Cell::word("unknown", Style::warning)});
    EXPECT_EQ(table.to_text({}).find('\x1b'), std::string::npos);
    EXPECT_EQ(table.to_text({.colour = true}), "PID  COMM  MODE\n"
                                               "  1  x     \x1b[32mv1\x1b[0m\n"
                                               "  \x1b[2m-\x1b[0m  y     \x1b[31mmixed\x1b[0m\n"
                                               "  3  z     \x1b[33munknown\x1b[0m\n");
}

TEST_F(TableTest, ColourChangesNothingButColour) {
    table.add({Cell::number(10), plain("x"), Cell::word("v1", Style::good)});
    table.add({Cell::none(), plain("yy"), Cell::word("", Style::bad)});
    std::string coloured = table.to_text({.colour = true});
    for (const std::string code : {"\x1b[32m", "\x1b[31m", "\x1b[2m", "\x1b[0m"}) {
        for (std::size_t at = 0; (at = coloured.find(code)) != std::string::npos;) {
            coloured.erase(at, code.size());
        }
    }
    EXPECT_EQ(coloured, table.to_text({}));
}

TEST_F(TableTest, BecomesOneJsonObjectForEachRowInTheOrderOfTheColumns) {
    table.add({Cell::number(7), Cell::untrusted("mongod"), Cell::word("v1")});
    table.add({Cell::none(), Cell::untrusted("a\"b\\"), Cell::word("v2")});
    EXPECT_EQ(dump(table.to_json(), JsonFormat::short_form),
              R"([{"pid":7,"comm":"mongod","mode":"v1"},{"pid":null,"comm":"a\"b\\","mode":"v2"}])"
              "\n");
}

TEST_F(TableTest, KeepsTheBytesOfAnUntrustedNameInJson) {
    table.add({Cell::number(1), Cell::untrusted("a\x1b\n\\"), Cell::word("v1")});
    const auto parsed = Json::parse(dump(table.to_json(), JsonFormat::short_form));
    EXPECT_EQ(parsed[0]["comm"], "a\x1b\n\\");
}

TEST_F(TableTest, PrintsValidJsonForNamesThatAreNotUtf8) {
    table.add({Cell::number(1), Cell::untrusted("a\xff\xed\xa0\x80z"), Cell::word("v1")});
    const std::string text = dump(table.to_json(), JsonFormat::short_form);
    ASSERT_TRUE(Json::accept(text)) << text;
    const auto name = Json::parse(text)[0]["comm"].get<std::string>();
    EXPECT_TRUE(name.starts_with("a\xef\xbf\xbd")) << name;
    EXPECT_TRUE(name.ends_with("z")) << name;
}

TEST_F(TableTest, PrintsNumbersAtTheirLimits) {
    EXPECT_EQ(Cell::number(std::numeric_limits<std::uint64_t>::max()).text, "18446744073709551615");
    EXPECT_EQ(Cell::number(std::numeric_limits<std::uint64_t>::max()).json.dump(),
              "18446744073709551615");
    EXPECT_EQ(Cell::number(std::numeric_limits<std::int64_t>::min()).json.dump(),
              "-9223372036854775808");
}

TEST_F(TableTest, HoldsOneRowForEachOf32768Threads) {
    for (int tid = 1; tid <= 32768; tid++) {
        table.add({Cell::number(tid), Cell::untrusted("worker"), Cell::word("v2")});
    }
    const std::string text = table.to_text({});
    EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 32769);
    EXPECT_EQ(table.to_json().size(), 32768U);
}

TEST_F(TableTest, LeavesAColumnWithoutHeaderToJson) {
    Table with_detail{{{"PID", "pid"}, {"", "start"}, {"MODE", "mode"}}};
    with_detail.add({Cell::number(1), Cell::number(123456789), Cell::word("v1")});
    EXPECT_EQ(with_detail.to_text({}), "PID  MODE\n1    v1\n");
    EXPECT_EQ(with_detail.to_text({.header = false}), "1  v1\n");
    EXPECT_EQ(with_detail.to_json().dump(), R"([{"pid":1,"start":123456789,"mode":"v1"}])");
}

TEST_F(TableTest, TakesExactlyOneCellForEachColumn) {
    EXPECT_DEATH(table.add({Cell::number(1)}), "columns_");
}

TEST(Dump, EndsInOneNewlineAndIndentsOnRequest) {
    const Json document{{"b", 1}, {"a", {1, 2}}};
    EXPECT_EQ(dump(document, JsonFormat::short_form), "{\"b\":1,\"a\":[1,2]}\n");
    EXPECT_EQ(dump(document, JsonFormat::pretty), "{\n"
                                                  "  \"b\": 1,\n"
                                                  "  \"a\": [\n"
                                                  "    1,\n"
                                                  "    2\n"
                                                  "  ]\n"
                                                  "}\n");
}
