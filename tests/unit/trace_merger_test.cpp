// SPDX-License-Identifier: GPL-2.0-or-later
#include "trace/merger.h"
#include "trace_pages.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

namespace rseq::test {

using namespace std::literals;
namespace {

using trace::Decoder;
using trace::Merger;

constexpr std::uint64_t forever = std::numeric_limits<std::uint64_t>::max();

/// Readers of some CPUs' pages.
class MergerTest : public testing::Test {
protected:
    static constexpr unsigned cpus = 3;

    void SetUp() override {
        for (unsigned cpu = 0; cpu < cpus; ++cpu) {
            merger.add({.cpu = cpu, .fd = pipes[cpu].take_reading()});
        }
    }

    /// A page of renamings of the thread `tid`, at these times.
    static PageBuilder page(pid_t tid, const std::vector<std::uint64_t>& times) {
        PageBuilder builder(times.front());
        std::uint64_t last = times.front();
        for (const std::uint64_t time : times) {
            builder.record(static_cast<std::uint32_t>(time - last), rename(tid));
            last = time;
        }
        return builder;
    }

    static Bytes rename(pid_t tid) {
        return EventRecord("6.18", "task/task_rename", tid)
            .set("newcomm", "name"s)
            .set("oom_score_adj", std::uint64_t{0})
            .bytes();
    }

    Merger::Merged merge(std::uint64_t horizon, std::size_t batch = 1000) {
        auto merged = merger.merge(decoder, horizon, batch);
        EXPECT_TRUE(merged) << merged.error().message();
        return std::move(*merged);
    }

    std::vector<std::uint64_t> times(std::uint64_t horizon, std::size_t batch = 1000) {
        std::vector<std::uint64_t> all;
        for (const Event& event : merge(horizon, batch).events) {
            all.push_back(event.time_ns);
        }
        return all;
    }

    using Times = std::vector<std::uint64_t>;

    PagePipe pipes[cpus];
    Decoder decoder = Decoder::load(recorded_events("6.18").get()).value();
    Merger merger{page_shape};
};

TEST_F(MergerTest, NothingIsNothing) {
    EXPECT_EQ(times(forever), Times{});
    EXPECT_FALSE(merger.pending());
}

TEST_F(MergerTest, EventsOfAllCpusComeInOrderOfTime) {
    pipes[0].write(page(1, {10, 40, 41}).bytes());
    pipes[0].write(page(1, {70}).bytes());
    pipes[1].write(page(2, {20, 21, 60}).bytes());
    pipes[2].write(page(3, {5}).bytes());
    pipes[2].write(page(3, {30}).bytes());
    pipes[2].write(page(3, {50}).bytes());
    EXPECT_EQ(times(forever), (Times{5, 10, 20, 21, 30, 40, 41, 50, 60, 70}));
    EXPECT_FALSE(merger.pending());
}

TEST_F(MergerTest, WhatIsYoungerThanTheHorizonIsKept) {
    pipes[0].write(page(1, {10, 20, 30}).bytes());
    pipes[1].write(page(2, {15, 25}).bytes());
    EXPECT_EQ(times(20), (Times{10, 15, 20}));
    EXPECT_TRUE(merger.pending());
    EXPECT_EQ(times(20), Times{});
    EXPECT_TRUE(merger.pending());
    EXPECT_EQ(times(forever), (Times{25, 30}));
    EXPECT_FALSE(merger.pending());
}

// CPU 0 was read before its event of time 20 was there, CPU 1 afterwards.
TEST_F(MergerTest, AnEventThatArrivesWhileOthersAreKeptTakesItsPlaceBeforeThem) {
    pipes[1].write(page(2, {15, 25}).bytes());
    EXPECT_EQ(times(15), Times{15});
    pipes[0].write(page(1, {20}).bytes());
    EXPECT_EQ(times(forever), (Times{20, 25}));
}

TEST_F(MergerTest, AFullBatchLeavesTheRestInOrder) {
    pipes[0].write(page(1, {10, 30, 50}).bytes());
    pipes[1].write(page(2, {20, 40}).bytes());
    EXPECT_EQ(times(forever, 2), (Times{10, 20}));
    EXPECT_TRUE(merger.pending());
    EXPECT_EQ(times(forever, 2), (Times{30, 40}));
    EXPECT_TRUE(merger.pending());
    EXPECT_EQ(times(forever, 2), Times{50});
    EXPECT_FALSE(merger.pending());
}

TEST_F(MergerTest, NoMoreThanOnePageOfACpuIsTakenOutOfTheKernel) {
    pipes[0].write(page(1, {10}).bytes());
    pipes[0].write(page(1, {20}).bytes());
    pipes[1].write(page(2, {30}).bytes());
    EXPECT_EQ(times(5), Times{});
    EXPECT_EQ(times(10), Times{10});
    std::byte byte{};
    pipes[0].write({&byte, 1});
    EXPECT_EQ(times(25), Times{20});
}

TEST_F(MergerTest, HalvesOfASystemCallOnTwoCpusAreBroughtTogether) {
    pipes[0].write(PageBuilder(20)
                       .record(0, EventRecord("6.18", "syscalls/sys_exit_rseq", 7)
                                      .set("ret", std::uint64_t{0})
                                      .bytes())
                       .bytes());
    pipes[1].write(PageBuilder(10)
                       .record(0, EventRecord("6.18", "syscalls/sys_enter_rseq", 7)
                                      .set("rseq_len", std::uint64_t{32})
                                      .set("flags", std::uint64_t{0})
                                      .set("sig", std::uint64_t{1})
                                      .bytes())
                       .bytes());
    const auto merged = merge(forever);
    ASSERT_EQ(merged.events.size(), 1U);
    EXPECT_EQ(merged.events[0].time_ns, 20U);
    EXPECT_EQ(merged.events[0].tid, 7);
    EXPECT_EQ(merged.ignored, 1U);
}

TEST_F(MergerTest, MissingRecordsAreToldWithTheirCpu) {
    pipes[1].write(page(2, {10}).missed(253).bytes());
    pipes[2].write(page(3, {20}).missed(std::nullopt).bytes());
    const auto merged = merge(forever);
    EXPECT_EQ(merged.events.size(), 2U);
    EXPECT_EQ(merged.malformed, 0U);
    ASSERT_EQ(merged.missed.size(), 2U);
    EXPECT_EQ(merged.missed[0].cpu, 1U);
    EXPECT_EQ(merged.missed[0].at_least, 253U);
    EXPECT_EQ(merged.missed[1].cpu, 2U);
    EXPECT_EQ(merged.missed[1].at_least, 1U);
}

TEST_F(MergerTest, APageThatMakesNoSenseIsSkippedAndCounted) {
    pipes[0].write(page(1, {10}).commit(4097).bytes());
    pipes[0].write(page(1, {20}).bytes());
    const auto merged = merge(forever);
    ASSERT_EQ(merged.events.size(), 1U);
    EXPECT_EQ(merged.events[0].time_ns, 20U);
    EXPECT_EQ(merged.malformed, 1U);
}

TEST_F(MergerTest, RecordsThatAreNoEventsAreCounted) {
    pipes[0].write(PageBuilder(10)
                       .record(0, EventRecord("6.18", "task/task_rename", 1).bytes()) // too short
                       .record(1, RecordBuilder().put(std::uint64_t{0xffff}).bytes())
                       .record(1, rename(1))
                       .bytes());
    const auto merged = merge(forever);
    EXPECT_EQ(merged.events.size(), 1U);
    EXPECT_EQ(merged.malformed, 1U);
    EXPECT_EQ(merged.ignored, 1U);
    EXPECT_FALSE(merger.pending());
}

// What trace_pipe_raw says instead of EAGAIN once a copy of its descriptor has been closed.
TEST_F(MergerTest, EndOfFileIsNothingToRead) {
    pipes[0].close_writing();
    pipes[1].write(page(2, {10}).bytes());
    EXPECT_EQ(times(forever), Times{10});
}

TEST_F(MergerTest, ACpuThatCannotBeReadIsAnErrorThatNamesIt) {
    merger.add({.cpu = 17, .fd = UniqueFd()});
    const auto merged = merger.merge(decoder, forever, 10);
    ASSERT_FALSE(merged);
    EXPECT_EQ(merged.error().code, EBADF);
    EXPECT_NE(merged.error().context.find("17"), std::string::npos);
}

} // namespace
} // namespace rseq::test
