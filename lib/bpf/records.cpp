// SPDX-License-Identifier: GPL-2.0-or-later
#include "bpf/records.h"

#include "bpf/thread_record.h"

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>
#include <limits>
#include <string>
#include <type_traits>

namespace rseq::bpf {
namespace {

constexpr std::uint64_t nanoseconds_per_second = 1'000'000'000;

using Record = RseqThreadRecord;
static_assert(sizeof(Record) == 48 && std::has_unique_object_representations_v<Record>,
              "both sides must agree on every byte");

bool is_set(const Record& record, RseqRecordFlag flag) {
    return (record.flags & flag) != 0;
}

/// What no thread of any kernel can look like.
bool is_sane(const Record& record) {
    constexpr auto largest_pid = static_cast<unsigned>(std::numeric_limits<pid_t>::max());
    const bool registered = is_set(record, RSEQ_RECORD_REGISTERED);
    return record.tgid > 0 && record.tgid <= largest_pid && record.tid > 0 &&
           record.tid <= largest_pid && (record.flags & ~RSEQ_RECORD_ALL_FLAGS) == 0 &&
           record.version <= std::numeric_limits<std::uint8_t>::max() &&
           (registered || (record.length == 0 && record.version == 0)) &&
           (is_set(record, RSEQ_RECORD_LAYOUT_KNOWN) || !registered);
}

SliceState slice_state(const Record& record) {
    if (is_set(record, RSEQ_RECORD_SLICE_ENABLED)) {
        return SliceState::enabled;
    }
    if (!is_set(record, RSEQ_RECORD_SLICE_BUILT) || !is_set(record, RSEQ_RECORD_REGISTERED)) {
        return SliceState::unavailable;
    }
    return SliceState::unknown;
}

std::optional<Registration> registration(const Record& record) {
    if (!is_set(record, RSEQ_RECORD_LAYOUT_KNOWN)) {
        return std::nullopt;
    }
    const bool registered = is_set(record, RSEQ_RECORD_REGISTERED);
    const bool versioned = is_set(record, RSEQ_RECORD_HAS_VERSION);
    // The iterator reads the members one after the other while the thread may be in rseq(2).
    if (registered && (record.length == 0 || (versioned && record.version == 0))) {
        return std::nullopt;
    }
    Registration result{.registered = registered,
                        .length = record.length,
                        .version = std::nullopt,
                        .slice = slice_state(record)};
    if (versioned) {
        result.version = static_cast<std::uint8_t>(record.version);
    }
    return result;
}

ThreadObservation observation(const Record& record, std::uint64_t nanoseconds_per_tick) {
    const char* end = std::find(record.comm, record.comm + RSEQ_RECORD_COMM_SIZE - 1, '\0');
    return {.tgid = static_cast<pid_t>(record.tgid),
            .tid = static_cast<pid_t>(record.tid),
            .leader_start_ticks = record.leader_start / nanoseconds_per_tick,
            .kernel_thread = is_set(record, RSEQ_RECORD_KERNEL_THREAD),
            .comm = std::string(record.comm, end),
            .cgroup_id = record.cgroup_id,
            .registration = registration(record)};
}

} // namespace

Result<std::vector<ThreadObservation>> decode_records(std::span<const std::byte> bytes,
                                                      std::uint64_t ticks_per_second) {
    if (ticks_per_second == 0 || ticks_per_second > nanoseconds_per_second) {
        return fail(EINVAL, "cannot convert start times with " + std::to_string(ticks_per_second) +
                                " clock ticks per second");
    }
    if (bytes.size() % sizeof(Record) != 0) {
        return fail(EPROTO, "the task iterator stopped inside a record, after " +
                                std::to_string(bytes.size()) + " bytes");
    }
    // Like the kernel for /proc/<pid>/stat: whole ticks, rounded down.
    const std::uint64_t nanoseconds_per_tick = nanoseconds_per_second / ticks_per_second;
    std::vector<ThreadObservation> threads;
    threads.reserve(bytes.size() / sizeof(Record));
    for (; !bytes.empty(); bytes = bytes.subspan(sizeof(Record))) {
        Record record;
        std::memcpy(&record, bytes.data(), sizeof(record));
        if (!is_sane(record)) {
            return fail(EPROTO, "record " + std::to_string(threads.size()) +
                                    " of the task iterator describes no possible thread");
        }
        threads.push_back(observation(record, nanoseconds_per_tick));
    }
    return threads;
}

} // namespace rseq::bpf
