// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include "core/event.h"
#include "core/result.h"
#include "trace/events.h"
#include "trace/format.h"
#include "trace/record_types.h"
#include "trace/syscall_pairs.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace rseq::trace {

/// Makes events out of the records of one kernel. Where the fields of a record are, and what the
/// numbers of an enumeration are called, is taken from the `format` files of that kernel once.
class Decoder {
public:
    /// Reads the formats of all known events that are there. `events_dir` is the directory `events`
    /// of a tracefs instance, or a recorded copy of it. EPROTO, with the name of the file: a format
    /// that libtraceevent cannot parse, or without a field that is needed.
    static Result<Decoder> load(int events_dir);

    /// What registrations can be seen by with these formats.
    [[nodiscard]] EventSource source() const;
    /// Whether this kernel has the event.
    [[nodiscard]] bool has(Kind kind) const { return has_[static_cast<std::size_t>(kind)]; }
    [[nodiscard]] const PageShape& page_shape() const { return page_shape_; }

    /// Decodes one record into `event`, which is not to be looked at unless that is the verdict.
    /// Records have to come in order of time, because the two halves of a system call can be on two
    /// CPUs.
    Verdict decode(std::uint64_t time_ns, std::span<const std::byte> bytes, Event& event);

private:
    Decoder() = default;
    Result<void> add(const KnownEvent& known, std::string_view format_text);

    PageShape page_shape_;
    std::array<bool, kind_count> has_{};
    /// By the number that records of a type begin with, nullptr for those that are not known.
    std::vector<std::unique_ptr<const RecordType>> types_;
    Field type_;
    Field tid_;
    SyscallPairs calls_;
};

} // namespace rseq::trace
