// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include "core/kernel_facts.h"
#include "daemon/occurrence.h"
#include "registry/registry.h"

#include <cstdint>
#include <deque>
#include <string>
#include <utility>

namespace rseq::daemon {

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

    /// Since the daemon started.
    struct Counters {
        std::uint64_t registrations = 0;
        std::uint64_t refusals = 0;
        std::uint64_t violations = 0;
        std::uint64_t lost_events = 0;
        std::uint64_t rescans = 0;
    } counters;
};

} // namespace rseq::daemon
