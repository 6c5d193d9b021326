// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include "core/kernel_facts.h"
#include "daemon/occurrence.h"
#include "daemon/reason_counts.h"
#include "enforce/compliance.h"
#include "registry/registry.h"

#include <cstdint>
#include <deque>
#include <functional>
#include <string>
#include <utility>

namespace rseq::daemon {

class Enforcer;

/// How many violations are kept for ListViolations().
inline constexpr std::size_t violations_kept = 256;

/// What the daemon knows. The manager writes it, the bus reads it; both run in one thread.
struct State {
    explicit State(KernelFacts found) : facts(std::move(found)), registry(facts) {}

    const KernelFacts facts;
    std::string source = "none"; ///< what a scan reads: procfs, bpf, none
    std::string events = "none"; ///< what tells of changes: rseq, syscalls, none
    registry::Registry registry;
    std::string unknown_reason;        ///< of the last scan
    std::deque<Occurrence> violations; ///< the last ones, oldest first
    /// Who keeps processes to the rules, and whether a process is as they ask. Null and empty until
    /// there is somebody.
    const Enforcer* enforcer = nullptr;
    std::function<enforce::Compliance(const registry::Process&)> compliance;

    /// Since the daemon started.
    struct Counters {
        std::uint64_t registrations = 0;
        std::uint64_t refusals = 0;
        std::uint64_t violations = 0;
        ReasonCounts refusal_reasons;   ///< "EBUSY"
        ReasonCounts violation_reasons; ///< words of docs/ABI.md
        std::uint64_t lost_events = 0;
        std::uint64_t rescans = 0;
    } counters;
};

} // namespace rseq::daemon
