// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include "cli/event.h"
#include "cli/violation_list.h"
#include "core/kernel_facts.h"
#include "core/result.h"
#include "explain/evidence.h"
#include "snapshot/snapshot.h"

#include <systemd/sd-bus.h>

#include <cstdint>
#include <map>
#include <string>
#include <vector>

/// What the daemon sends (docs/DBUS.md), as the values that reading the kernel itself gives. Types
/// have to be those of the document, otherwise the whole message is refused with EPROTO. A word
/// that is not known, of a later daemon, means what is unknown here; members that are not known are
/// passed over.
namespace rseq::cli {

/// What the daemon says of itself and of the kernel.
struct DaemonFacts {
    std::string version; ///< untrusted
    KernelFacts kernel;
    std::string events;         ///< what tells it of changes: rseq, syscalls, none; untrusted
    std::string unknown_reason; ///< as snapshot::Snapshot::unknown_reason
    // Since it started.
    std::uint64_t registrations = 0;
    std::uint64_t refusals = 0;
    std::uint64_t violations = 0;
    /// The same by reason; untrusted words.
    std::map<std::string, std::uint64_t> refusal_reasons;
    std::map<std::string, std::uint64_t> violation_reasons;
    std::uint64_t lost_events = 0;
    std::uint64_t rescans = 0;
};

/// The reply of org.freedesktop.DBus.Properties.GetAll.
Result<DaemonFacts> decode_properties(sd_bus_message* reply);

/// The reply of ListProcesses. Threads in a mode that this program does not know, and those of a
/// process whose mode does not follow from its threads, are unknown.
Result<std::vector<snapshot::Process>> decode_processes(sd_bus_message* reply);

/// The reply of ListThreads: adds to the thread lists of `processes`, in ascending order of
/// numbers.
Result<void> decode_threads(sd_bus_message* reply, std::vector<snapshot::Process>& processes);

/// What GetProcess tells that ListProcesses does not.
struct ProcessDetails {
    std::uint64_t start_ticks = 0; ///< 0 if not known
    std::vector<explain::Refusal> refusals;
};

/// The reply of GetProcess.
Result<ProcessDetails> decode_details(sd_bus_message* reply);

/// The reply of ListViolations.
Result<std::vector<Killed>> decode_violations(sd_bus_message* reply);

/// Once all lists are there: counts the threads of each process anew by its list, and drops
/// processes that have none (any more).
void settle_threads(std::vector<snapshot::Process>& processes);

/// The signal Event. Nothing if it is of a kind that this program does not know.
Result<std::optional<BusEvent>> decode_event(sd_bus_message* signal);

/// The signal EventsLost.
Result<EventsLost> decode_lost(sd_bus_message* signal);

} // namespace rseq::cli
