// SPDX-License-Identifier: GPL-2.0-or-later
#include "trace/page.h"
#include "trace_pages.h"

#include <gtest/gtest.h>

#include <cstring>

namespace rseq::test {
namespace {

Bytes payload(std::uint32_t first, std::size_t size = 8) {
    return RecordBuilder().put(first).pad_to(size).bytes();
}

std::uint32_t first_word(const Bytes& bytes) {
    std::uint32_t value{};
    std::memcpy(&value, bytes.data(), sizeof(value));
    return value;
}

TEST(Page, TimesAreThePagesTimeAndAllDeltasUpToTheRecord) {
    const auto records = records_of(PageBuilder(1000)
                                        .record(0, payload(1))
                                        .record(7, payload(2))
                                        .record(5, payload(3))
                                        .bytes());
    ASSERT_TRUE(records);
    ASSERT_EQ(records->size(), 3U);
    EXPECT_EQ((*records)[0].time_ns, 1000U);
    EXPECT_EQ((*records)[1].time_ns, 1007U);
    EXPECT_EQ((*records)[2].time_ns, 1012U);
    EXPECT_EQ(first_word((*records)[1].bytes), 2U);
}

TEST(Page, ATimeExtendAddsToTheTimeOfWhatFollows) {
    const std::uint64_t gap = (std::uint64_t{5} << 27U) + 3;
    const auto records = records_of(
        PageBuilder(1000).record(1, payload(1)).time_extend(gap).record(2, payload(2)).bytes());
    ASSERT_TRUE(records);
    ASSERT_EQ(records->size(), 2U);
    EXPECT_EQ((*records)[1].time_ns, 1001 + gap + 2);
}

TEST(Page, AnAbsoluteTimeReplacesTheTime) {
    const std::uint64_t time = (std::uint64_t{77} << 27U) + 9;
    const auto records = records_of(
        PageBuilder(1000).record(1, payload(1)).time_stamp(time).record(2, payload(2)).bytes());
    ASSERT_TRUE(records);
    ASSERT_EQ(records->size(), 2U);
    EXPECT_EQ((*records)[1].time_ns, time + 2);
}

TEST(Page, TheLengthIsInTheHeaderOfShortRecordsAndBehindItOfOthers) {
    const auto records = records_of(PageBuilder(0)
                                        .record(0, payload(1, 28UL * 4))
                                        .record(0, payload(2, 29UL * 4))
                                        .long_record(0, payload(3, 6))
                                        .record(0, payload(4, 4))
                                        .bytes());
    ASSERT_TRUE(records);
    ASSERT_EQ(records->size(), 4U);
    EXPECT_EQ((*records)[0].bytes.size(), 28U * 4);
    EXPECT_EQ((*records)[1].bytes.size(), 29U * 4);
    EXPECT_EQ((*records)[2].bytes.size(), 8U) << "with the padding to the next entry";
    EXPECT_EQ(first_word((*records)[2].bytes), 3U);
    EXPECT_EQ(first_word((*records)[3].bytes), 4U);
}

TEST(Page, DiscardedRecordsAreSkipped) {
    const auto records = records_of(PageBuilder(0)
                                        .discarded(1, 8)
                                        .record(1, payload(1))
                                        .discarded(1, 40)
                                        .record(1, payload(2))
                                        .discarded(1, 4)
                                        .bytes());
    ASSERT_TRUE(records);
    ASSERT_EQ(records->size(), 2U);
    EXPECT_EQ(first_word((*records)[0].bytes), 1U);
    EXPECT_EQ(first_word((*records)[1].bytes), 2U);
}

TEST(Page, APageWithoutEntriesHasNoRecord) {
    const auto records = records_of(PageBuilder(5).bytes());
    ASSERT_TRUE(records);
    EXPECT_TRUE(records->empty());
}

TEST(Page, APageThatEndsWithATimeExtendHasNoRecordThere) {
    const auto records = records_of(PageBuilder(5).record(0, payload(1)).time_extend(9).bytes());
    ASSERT_TRUE(records);
    EXPECT_EQ(records->size(), 1U);
}

TEST(Page, TellsHowManyRecordsAreMissing) {
    trace::Page page(page_shape);
    const auto none = PageBuilder(0).record(0, payload(1)).bytes();
    const auto some = PageBuilder(0).record(0, payload(1)).missed(253).bytes();
    const auto many = PageBuilder(0).record(0, payload(1)).missed(std::uint64_t{1} << 40U).bytes();
    const auto unknown = PageBuilder(0).record(0, payload(1)).missed(std::nullopt).bytes();
    ASSERT_TRUE(page.load(none));
    EXPECT_EQ(page.missed(), 0U);
    ASSERT_TRUE(page.load(some));
    EXPECT_EQ(page.missed(), 253U);
    EXPECT_TRUE(page.has_record());
    ASSERT_TRUE(page.load(many));
    EXPECT_EQ(page.missed(), std::uint64_t{1} << 40U);
    ASSERT_TRUE(page.load(unknown));
    EXPECT_EQ(page.missed(), std::nullopt);
}

TEST(Page, ACountOfMissingRecordsThatCannotBeIsUnknown) {
    trace::Page page(page_shape);
    const auto negative = PageBuilder(0).missed(std::uint64_t{1} << 63U).bytes();
    ASSERT_TRUE(page.load(negative));
    EXPECT_EQ(page.missed(), std::nullopt);
}

TEST(Page, AFullPageIsRead) {
    PageBuilder builder(0);
    constexpr std::size_t records = 4080 / 12;
    for (std::size_t i = 0; i < records; ++i) {
        builder.record(1, payload(static_cast<std::uint32_t>(i)));
    }
    const auto read = records_of(builder.bytes());
    ASSERT_TRUE(read);
    EXPECT_EQ(read->size(), records);
    EXPECT_EQ(read->back().time_ns, records);
}

struct Refused {
    const char* rule;
    Bytes page;
};
void PrintTo(const Refused& refused, std::ostream* out) {
    *out << refused.rule;
}

class RefusedPage : public testing::TestWithParam<Refused> {};

TEST_P(RefusedPage, HasNoRecords) {
    trace::Page page(page_shape);
    const auto good = PageBuilder(0).record(0, payload(1)).bytes();
    ASSERT_TRUE(page.load(good));
    EXPECT_FALSE(page.load(GetParam().page));
    EXPECT_FALSE(page.has_record()) << "nothing of the page before either";
}

Bytes cut(std::size_t size) {
    Bytes page = PageBuilder(0).record(0, payload(1)).bytes();
    page.resize(size);
    return page;
}

const Refused refused_pages[] = {
    {"Nothing", {}},
    {"ShorterThanTheHeader", cut(15)},
    {"ShorterThanWhatIsCommitted", cut(20)},
    {"MoreCommittedThanFits", PageBuilder(0).record(0, payload(1)).commit(4081).bytes()},
    {"UnknownBitsInTheCommitWord",
     PageBuilder(0).record(0, payload(1)).commit(12 | (1U << 29U)).bytes()},
    {"NoRoomForTheCountOfMissingRecords",
     PageBuilder(0).long_record(0, payload(1, 4080 - 8 - 4)).commit(4076U | 3U << 30U).bytes()},
    {"CommittedInTheMiddleOfAHeader", PageBuilder(0).record(0, payload(1)).commit(14).bytes()},
    {"CommittedInTheMiddleOfARecord", PageBuilder(0).record(0, payload(1)).commit(8).bytes()},
    {"CommittedBeforeTheLength", PageBuilder(0).long_record(0, payload(1)).commit(4).bytes()},
    {"LengthBeyondTheCommitted",
     PageBuilder(0).raw(0, 0, RecordBuilder().put<std::uint32_t>(20).pad_to(16).bytes()).bytes()},
    {"LengthBeyondAnyPage",
     PageBuilder(0)
         .raw(0, 0, RecordBuilder().put<std::uint32_t>(0xfffffffe).pad_to(16).bytes())
         .bytes()},
    {"LengthThatDoesNotCountItself",
     PageBuilder(0).raw(0, 0, RecordBuilder().put<std::uint32_t>(3).pad_to(16).bytes()).bytes()},
    {"LengthOfZero", PageBuilder(0).raw(0, 0, RecordBuilder().pad_to(16).bytes()).bytes()},
    {"PaddingBeyondTheCommitted",
     PageBuilder(0).raw(29, 1, RecordBuilder().put<std::uint32_t>(20).pad_to(16).bytes()).bytes()},
    {"PaddingOfLengthZero", PageBuilder(0).raw(29, 1, RecordBuilder().pad_to(16).bytes()).bytes()},
    {"PaddingToTheEndOfThePage",
     PageBuilder(0).raw(29, 0, RecordBuilder().put<std::uint32_t>(16).pad_to(16).bytes()).bytes()},
    {"TimeExtendWithoutItsUpperHalf", PageBuilder(0).raw(30, 0, {}).bytes()},
    {"AbsoluteTimeWithoutItsUpperHalf", PageBuilder(0).raw(31, 0, {}).bytes()},
};

INSTANTIATE_TEST_SUITE_P(Trace, RefusedPage, testing::ValuesIn(refused_pages),
                         [](const auto& page) { return std::string(page.param.rule); });

} // namespace
} // namespace rseq::test
