// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/occurrence.h"

#include <optional>

namespace rseq::daemon {

namespace {

std::optional<Kind> kind_of(const registry::Change& change) {
    switch (change.kind) {
    case registry::ChangeKind::registered:
        return Kind::registration;
    case registry::ChangeKind::refused:
        return Kind::refusal;
    case registry::ChangeKind::unregistered:
        return Kind::unregistration;
    case registry::ChangeKind::policy_latched:
        return Kind::policy;
    case registry::ChangeKind::executed:
        return Kind::exec;
    case registry::ChangeKind::violation:
        return Kind::violation;
    case registry::ChangeKind::slice:
        return Kind::slice;
    case registry::ChangeKind::gone:
        return Kind::exit;
    case registry::ChangeKind::appeared:
    case registry::ChangeKind::mode_changed:
    case registry::ChangeKind::unregister_refused:
        break;
    }
    return std::nullopt;
}

void describe(Occurrence& occurrence, const registry::Process& process) {
    occurrence.process.start_ticks = process.start_ticks.value_or(0);
    // The name of the process: that of one of its threads would not be known to anybody.
    if (!process.comm.view().empty()) {
        occurrence.comm = process.comm.view();
    }
    occurrence.exe = process.exe_path();
    occurrence.cgroup = process.cgroup_path();
    occurrence.unit = process.unit().display_name();
}

} // namespace

std::optional<Kind> occurrence_kind(const registry::Change& change) {
    // A scan tells what has become of things, not what happened.
    return change.event == nullptr ? std::nullopt : kind_of(change);
}

Occurrence make_occurrence(const registry::Change& change, Kind kind,
                           std::int64_t realtime_offset_ns) {
    Occurrence occurrence;
    occurrence.kind = kind;
    occurrence.time_usec =
        (change.event->time_ns + static_cast<std::uint64_t>(realtime_offset_ns)) / 1000;
    occurrence.process.pid = change.pid;
    occurrence.tid = change.tid;
    occurrence.comm = change.comm;
    occurrence.mode = change.after;
    if (change.process != nullptr) {
        describe(occurrence, *change.process);
    }
    occurrence.payload = change.event->payload;
    return occurrence;
}

Occurrence occurrence_of(const registry::Process& process) {
    Occurrence occurrence;
    occurrence.process.pid = process.pid;
    occurrence.tid = process.pid;
    occurrence.mode = process.mode();
    describe(occurrence, process);
    return occurrence;
}

} // namespace rseq::daemon
