// SPDX-License-Identifier: GPL-2.0-or-later
#include "core/file.h"
#include "trace/format.h"
#include "trace_pages.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <string>

namespace rseq::test {
namespace {

using trace::Field;
using trace::Format;
using trace::Record;

/// A format as the kernel writes it, with one number of each kind and both kinds of text.
constexpr const char* sample = R"(name: sample
ID: 700
format:
	field:unsigned short common_type;	offset:0;	size:2;	signed:0;
	field:unsigned char common_flags;	offset:2;	size:1;	signed:0;
	field:unsigned char common_preempt_count;	offset:3;	size:1;	signed:0;
	field:int common_pid;	offset:4;	size:4;	signed:1;

	field:s8 tiny;	offset:8;	size:1;	signed:1;
	field:u8 byte;	offset:9;	size:1;	signed:0;
	field:short small;	offset:10;	size:2;	signed:1;
	field:u64 large;	offset:16;	size:8;	signed:0;
	field:char comm[4];	offset:24;	size:4;	signed:0;
	field:__data_loc char[] path;	offset:28;	size:4;	signed:0;

print fmt: "byte=%s large=%llu", __print_symbolic(REC->byte, { 0, "none" }, { 0x2, "two" }, { 3, "three" }), REC->large
)";

Format parse(const std::string& text) {
    auto format = Format::parse(text, "sample");
    EXPECT_TRUE(format) << format.error().message();
    return std::move(*format);
}

Bytes sample_record() {
    return RecordBuilder()
        .put<std::uint16_t>(700)
        .put<std::uint16_t>(0)
        .put<std::int32_t>(42)
        .put<std::int8_t>(-1)
        .put<std::uint8_t>(0xff)
        .put<std::int16_t>(-2)
        .pad_to(16)
        .put<std::uint64_t>(0xffffffffffffffff)
        .text("comm")
        .put<std::uint32_t>(32 | 6U << 16U)
        .text("/path")
        .pad_to(40)
        .bytes();
}

TEST(Format, KnowsTheNumberOfTheEvent) {
    EXPECT_EQ(parse(sample).id(), 700);
}

TEST(Format, NumbersAreReadAtTheirOffsetWithTheirSizeAndSign) {
    Format format = parse(sample);
    const Bytes bytes = sample_record();
    Record record(bytes);
    EXPECT_EQ(record.number<int>(format.number("common_pid")), 42);
    EXPECT_EQ(record.number<int>(format.number("tiny")), -1);
    EXPECT_EQ(record.number<int>(format.number("byte")), 255);
    EXPECT_EQ(record.number<int>(format.number("small")), -2);
    EXPECT_EQ(record.number<std::uint64_t>(format.number("large")), 0xffffffffffffffff);
    EXPECT_FALSE(record.malformed());
    EXPECT_TRUE(format.complete());
}

TEST(Format, TextsAreReadUpToTheirEndOrTheirNul) {
    Format format = parse(sample);
    const Bytes bytes = sample_record();
    Record record(bytes);
    EXPECT_EQ(record.text(format.text("comm")), "comm") << "it fills its field";
    EXPECT_EQ(record.text(format.text("path")), "/path") << "the NUL is not part of it";
    EXPECT_FALSE(record.malformed());
}

TEST(Format, AFieldThatIsMissingOrOfAnotherShapeIsNamedInTheError) {
    for (const char* number : {"missing", "comm", "path"}) {
        Format format = parse(sample);
        EXPECT_FALSE(format.number(number).exists());
        ASSERT_FALSE(format.complete()) << number;
        EXPECT_EQ(format.complete().error().code, EPROTO);
        EXPECT_NE(format.complete().error().context.find(number), std::string::npos);
    }
    for (const char* text : {"missing", "large"}) {
        Format format = parse(sample);
        EXPECT_FALSE(format.text(text).exists());
        EXPECT_FALSE(format.complete()) << text;
    }
}

TEST(Format, AFieldThatMayBeMissingIsNoError) {
    Format format = parse(sample);
    EXPECT_FALSE(format.number_if_any("missing").exists());
    EXPECT_TRUE(format.number_if_any("large").exists());
    EXPECT_TRUE(format.complete());
}

TEST(Format, EnumerationsHaveTheWordsOfThePrintFormat) {
    const auto words = parse(sample).symbols("byte");
    EXPECT_EQ(words.word(0), "none");
    EXPECT_EQ(words.word(2), "two");
    EXPECT_EQ(words.word(3), "three");
}

TEST(Format, ValuesWithoutAWordAreTheirNumber) {
    EXPECT_EQ(parse(sample).symbols("byte").word(17), "17");
    EXPECT_EQ(parse(sample).symbols("large").word(17), "17")
        << "it is not printed as a word at all";
    EXPECT_EQ(parse(sample).symbols("missing").word(17), "17");
}

TEST(Format, FieldsAreKnownEvenIfThePrintFormatIsNot) {
    std::string text = sample;
    text.replace(text.find("__print_symbolic"), 16, "unheard_of((((((");
    Format format = parse(text);
    EXPECT_TRUE(format.number("large").exists());
    EXPECT_TRUE(format.complete());
}

TEST(Format, WhatIsNoFormatIsRefused) {
    for (const char* text : {"", "\n", "name: x\n", "name: x\nID: 0\nformat:\n", "\x01\x02\x03",
                             "name: x\nID: 99999999\nformat:\n\nprint fmt: \"\"\n"}) {
        const auto format = Format::parse(text, "sample");
        ASSERT_FALSE(format) << text;
        EXPECT_EQ(format.error().code, EPROTO);
    }
}

TEST(Record, AFieldThatIsNotWithinItMakesItMalformed) {
    const Bytes bytes = RecordBuilder().put<std::uint32_t>(1).bytes();
    for (const Field& field : {Field{.offset = 1, .size = 4}, Field{.offset = 4, .size = 1},
                               Field{.offset = 65535, .size = 8}, Field{.offset = 0, .size = 8}}) {
        Record record(bytes);
        EXPECT_EQ(record.number<int>(field), 0);
        EXPECT_TRUE(record.malformed());
    }
    for (const Field::Shape shape : {Field::Shape::array, Field::Shape::data_loc}) {
        Record record(bytes);
        EXPECT_EQ(record.text(Field{.offset = 1, .size = 4, .shape = shape}), "");
        EXPECT_TRUE(record.malformed());
    }
}

TEST(Record, ATextElsewhereThatIsNotWithinItMakesItMalformed) {
    const Field field{.offset = 0, .size = 4, .shape = Field::Shape::data_loc};
    for (const std::uint32_t location :
         {8U | 1U << 16U, 4U | 5U << 16U, 0xffffU | 0xffffU << 16U, 9U}) {
        const Bytes bytes = RecordBuilder().put(location).text("abcd").bytes();
        Record record(bytes);
        EXPECT_EQ(record.text(field), "") << location;
        EXPECT_TRUE(record.malformed()) << location;
    }
}

TEST(Record, ATextWithoutANulEndsWithItsField) {
    const Field field{.offset = 0, .size = 4, .shape = Field::Shape::data_loc};
    const Bytes bytes = RecordBuilder().put(4U | 3U << 16U).text("abcd").bytes();
    Record record(bytes);
    EXPECT_EQ(record.text(field), "abc");
    EXPECT_FALSE(record.malformed());
}

TEST(HeaderPage, TellsTheShapeOfPages) {
    const auto text =
        read_file(open_directory(RSEQ_TRACE_DATA)->get(), "6.18/events/header_page", 4096);
    ASSERT_TRUE(text);
    const auto shape = trace::parse_header_page(*text);
    ASSERT_TRUE(shape) << shape.error().message();
    EXPECT_EQ(shape->commit_size, 8U);
    EXPECT_EQ(shape->data_offset, 16U);
    EXPECT_EQ(shape->page_size, 4096U);
}

TEST(HeaderPage, OfA32BitKernelWithLargePagesIsUnderstood) {
    const auto shape =
        trace::parse_header_page(R"(	field: u64 timestamp;	offset:0;	size:8;	signed:0;
	field: local_t commit;	offset:8;	size:4;	signed:1;
	field: int overwrite;	offset:8;	size:1;	signed:1;
	field: char data;	offset:12;	size:65524;	signed:0;
)");
    ASSERT_TRUE(shape) << shape.error().message();
    EXPECT_EQ(shape->commit_size, 4U);
    EXPECT_EQ(shape->data_offset, 12U);
    EXPECT_EQ(shape->page_size, 65536U);
}

TEST(HeaderPage, WhatIsNoneIsRefused) {
    for (const char* text :
         {"garbage", "\tfield: u64 timestamp;\toffset:0;\tsize:8;\tsigned:0;\n"}) {
        const auto shape = trace::parse_header_page(text);
        ASSERT_FALSE(shape) << text;
        EXPECT_EQ(shape.error().code, EPROTO);
    }
}

} // namespace
} // namespace rseq::test
