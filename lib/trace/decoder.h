// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include "core/event.h"
#include "core/result.h"
#include "trace/events.h"
#include "trace/format.h"
#include "trace/syscall_pairs.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace rseq::trace {

/// Makes events out of the records of one kernel. Where the fields of a record are, and what the
/// numbers of an enumeration are called, is taken from the `format` files of that kernel once.
class Decoder {
public:
    /// Reads the formats of all known events that are there. `events_dir` is the directory `events`
    /// of a tracefs, or a recorded copy of it. EPROTO, with the name of the file: a format that
    /// libtraceevent cannot parse or that lacks a field that is always needed.
    static Result<Decoder> load(int events_dir);

    /// What registrations can be seen by with these formats.
    [[nodiscard]] EventSource source() const { return source_; }
    /// Whether this kernel has the event.
    [[nodiscard]] bool has(Kind kind) const;
    /// Bytes of a page of the ring buffer, from `header_page`.
    [[nodiscard]] std::size_t page_size() const { return page_size_; }

    /// Why a record is no event.
    enum class Verdict : std::uint8_t {
        event,     ///< it is one
        ignored,   ///< unknown type, another cgroup hierarchy, or half of a system call
        malformed, ///< too short for its fields, or with values that mean nothing
    };

    /// Decodes one record (what follows the header of the ring buffer's entry) into `event`.
    /// Records have to come in order of time, because the two halves of a system call can be on two
    /// CPUs.
    Verdict decode(std::uint64_t time_ns, std::span<const std::byte> record, Event& event);

private:
    Decoder() = default;

    EventSource source_ = EventSource::none;
    std::size_t page_size_ = 0;
    std::array<std::optional<Layout>, kind_count> layouts_;
    /// By common_type: number of a kind plus one, 0 for unknown.
    std::vector<std::uint8_t> kinds_;
    SyscallPairs calls_;
};

} // namespace rseq::trace
