// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include "core/event.h"
#include "core/types.h"
#include "registry/change.h"

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>

namespace rseq::daemon {

/// The kinds of occurrences that a bus client can subscribe to, in the order of docs/DBUS.md.
enum class Kind : std::uint8_t {
    registration,
    unregistration,
    refusal,
    policy,
    violation,
    exec,
    exit,
    slice,
};

/// Something that happened, with what was known of the process at that moment. Made by the manager
/// from an event of the kernel and the registry; read by the bus and the journal.
struct Occurrence {
    Kind kind = Kind::registration;
    std::uint64_t time_usec = 0; ///< CLOCK_REALTIME
    ProcessKey process;          ///< start_ticks is 0 where it is not known (yet)
    pid_t tid = 0;
    std::string comm;   ///< untrusted
    std::string exe;    ///< as execve(2) was given it, or where /proc/<pid>/exe points; untrusted
    std::string cgroup; ///< path, untrusted; empty if not known
    std::string unit;   ///< proc::Unit::display_name(), untrusted; empty without a unit
    Mode mode = Mode::unknown; ///< registrations: what came of it
    event::Payload payload;
};

/// What kind of occurrence a change of the registry is; nothing for one that is none.
[[nodiscard]] std::optional<Kind> occurrence_kind(const registry::Change& change);

/// The occurrence that the change, which has an event, is. `realtime_offset_ns`: CLOCK_REALTIME
/// less CLOCK_BOOTTIME.
[[nodiscard]] Occurrence make_occurrence(const registry::Change& change, Kind kind,
                                         std::int64_t realtime_offset_ns);

/// The process itself, as it is now: an occurrence of no kind in particular.
[[nodiscard]] Occurrence occurrence_of(const registry::Process& process);

} // namespace rseq::daemon
