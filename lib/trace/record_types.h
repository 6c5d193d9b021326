// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include "core/event.h"
#include "core/result.h"
#include "trace/events.h"
#include "trace/format.h"
#include "trace/record.h"
#include "trace/syscall_pairs.h"

#include <cstdint>
#include <memory>

namespace rseq::trace {

/// What a record is.
enum class Verdict : std::uint8_t {
    event,     ///< one that is wanted
    ignored,   ///< of an unknown type, another cgroup hierarchy, or half of a system call
    malformed, ///< too short for its fields, or with values that mean nothing
};

/// The fields of one type of record, and how an event is made of them.
class RecordType {
public:
    RecordType() = default;
    RecordType(const RecordType&) = delete;
    RecordType& operator=(const RecordType&) = delete;
    virtual ~RecordType() = default;

    /// Sets `event.payload`; `event.time_ns` and `event.tid` are set already. `calls` is what
    /// the system calls under way are kept in.
    virtual Verdict decode(Record& record, SyscallPairs& calls, Event& event) const = 0;
};

/// Looks up the fields of a kind of event. Fails with EPROTO if one that is needed is not there.
Result<std::unique_ptr<const RecordType>> make_record_type(Kind kind, Format& format);

} // namespace rseq::trace
