// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <cstddef>
#include <cstdint>

/// What the bus may cost. The defaults are for the system bus; tests have other ones.
namespace rseq::daemon {

/// How much may be under way to those who ask, see Callers.
struct CallerLimits {
    // Bytes that were sent and may not have been read. Beyond that calls are refused, and beyond
    // twice that, since refusals are bytes too, forgotten.
    std::size_t caller_bytes = 2U << 20U;     ///< to one connection
    std::size_t user_bytes = 8U << 20U;       ///< to all connections of one user who is not root
    std::size_t total_bytes = 24U << 20U;     ///< to all connections of all these users
    std::size_t broadcast_bytes = 16U << 20U; ///< in signals to everybody
    std::size_t callers = 4096;
    std::size_t waiting_calls = 128; ///< of one connection, until its user is known
    /// Messages that the bus has not taken yet.
    std::size_t queued_messages = 4096;
};

struct PolkitLimits {
    std::size_t questions = 16;         ///< under way
    std::size_t questions_per_user = 2; ///< of these
    std::uint64_t timeout_usec = 25'000'000;
    /// Somebody may have to type a password.
    std::uint64_t interactive_timeout_usec = 120'000'000;
};

struct SubscriberLimits {
    std::size_t subscribers = 128;
    std::size_t per_user = 16; ///< other than root
};

struct BusLimits {
    CallerLimits callers;
    PolkitLimits polkit;
    SubscriberLimits subscribers;
};

} // namespace rseq::daemon
