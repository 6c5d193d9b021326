// SPDX-License-Identifier: GPL-2.0-or-later
#include "bpf/records.h"
#include "bpf/thread_record.h"

#include <gtest/gtest.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <span>

namespace rseq::test {
namespace {

constexpr std::uint64_t user_hz = 100;

RseqThreadRecord sane() {
    return {.leader_start = 123'456'789'012,
            .cgroup_id = 77,
            .tgid = 10,
            .tid = 11,
            .length = 33,
            .flags = RSEQ_RECORD_REGISTERED | RSEQ_RECORD_LAYOUT_KNOWN | RSEQ_RECORD_HAS_VERSION |
                     RSEQ_RECORD_SLICE_BUILT,
            .version = 2,
            .comm = "worker"};
}

Result<std::vector<ThreadObservation>> decode(const RseqThreadRecord& record) {
    return bpf::decode_records(std::as_bytes(std::span(&record, 1)), user_hz);
}

ThreadObservation decoded(const RseqThreadRecord& record) {
    const auto threads = decode(record);
    EXPECT_TRUE(threads) << threads.error().message();
    return threads && threads->size() == 1 ? threads->front() : ThreadObservation{};
}

void expect_refused(const RseqThreadRecord& record) {
    const auto threads = decode(record);
    ASSERT_FALSE(threads);
    EXPECT_EQ(threads.error().code, EPROTO);
}

TEST(BpfRecords, BecomeObservations) {
    const auto thread = decoded(sane());
    EXPECT_EQ(thread.tgid, 10);
    EXPECT_EQ(thread.tid, 11);
    EXPECT_EQ(thread.comm, "worker");
    EXPECT_EQ(thread.cgroup_id, 77U);
    EXPECT_FALSE(thread.kernel_thread);
    ASSERT_TRUE(thread.registration);
    EXPECT_EQ(*thread.registration,
              (Registration{
                  .registered = true, .length = 33, .version = 2, .slice = SliceState::unknown}));
}

TEST(BpfRecords, StartsAreRoundedDownToWholeTicks) {
    EXPECT_EQ(decoded(sane()).leader_start_ticks, 12'345U);
}

TEST(BpfRecords, NothingIsNoThread) {
    const auto threads = bpf::decode_records({}, user_hz);
    ASSERT_TRUE(threads);
    EXPECT_TRUE(threads->empty());
}

TEST(BpfRecords, AnUnknownLayoutIsNoAnswer) {
    auto record = sane();
    record.flags = 0;
    record.length = record.version = 0;
    EXPECT_FALSE(decoded(record).registration);
}

TEST(BpfRecords, NoRegistrationIsAnAnswer) {
    auto record = sane();
    record.flags = RSEQ_RECORD_LAYOUT_KNOWN;
    record.length = record.version = 0;
    ASSERT_TRUE(decoded(record).registration);
    EXPECT_FALSE(decoded(record).registration->registered);
}

TEST(BpfRecords, AThreadInTheMiddleOfRegisteringIsNoAnswer) {
    auto record = sane();
    record.length = 0;
    EXPECT_FALSE(decoded(record).registration);
    record = sane();
    record.version = 0;
    EXPECT_FALSE(decoded(record).registration);
}

TEST(BpfRecords, SlicesAreEnabledUnavailableOrNotKnown) {
    auto record = sane();
    record.flags |= RSEQ_RECORD_SLICE_ENABLED;
    EXPECT_EQ(decoded(record).registration->slice, SliceState::enabled);
    record = sane();
    record.flags &= static_cast<unsigned short>(~RSEQ_RECORD_SLICE_BUILT);
    EXPECT_EQ(decoded(record).registration->slice, SliceState::unavailable);
}

TEST(BpfRecords, ANameWithoutAnEndIsCut) {
    auto record = sane();
    std::memset(record.comm, 'x', sizeof(record.comm));
    EXPECT_EQ(decoded(record).comm, std::string(15, 'x'));
}

TEST(BpfRecords, AnyNumberOfBytesThatIsNotWholeRecordsIsRefused) {
    const std::array<RseqThreadRecord, 2> records{sane(), sane()};
    const auto bytes = std::as_bytes(std::span(records));
    for (std::size_t size = 0; size <= bytes.size(); ++size) {
        const auto threads = bpf::decode_records(bytes.first(size), user_hz);
        const bool whole = size % sizeof(RseqThreadRecord) == 0;
        EXPECT_EQ(threads.has_value(), whole) << size;
        if (!whole) {
            EXPECT_EQ(threads.error().code, EPROTO);
        }
    }
}

TEST(BpfRecords, ThreadsThatCannotBeAreRefused) {
    auto record = sane();
    record.tid = 0;
    expect_refused(record);
    record = sane();
    record.tgid = 0x80000000;
    expect_refused(record);
    record = sane();
    record.flags |= RSEQ_RECORD_ALL_FLAGS + 1;
    expect_refused(record);
    record = sane();
    record.version = 256;
    expect_refused(record);
    record = sane();
    record.flags &= static_cast<unsigned short>(~RSEQ_RECORD_REGISTERED);
    expect_refused(record);
    record = sane();
    record.flags &= static_cast<unsigned short>(~RSEQ_RECORD_LAYOUT_KNOWN);
    expect_refused(record);
}

TEST(BpfRecords, NonsenseBytesAreRefusedAndNotRead) {
    std::array<std::byte, 10 * sizeof(RseqThreadRecord)> bytes;
    bytes.fill(std::byte{0xff});
    const auto threads = bpf::decode_records(bytes, user_hz);
    ASSERT_FALSE(threads);
    EXPECT_EQ(threads.error().code, EPROTO);
}

TEST(BpfRecords, AClockWithoutTicksIsRefused) {
    const auto record = sane();
    EXPECT_FALSE(bpf::decode_records(std::as_bytes(std::span(&record, 1)), 0));
}

} // namespace
} // namespace rseq::test
