// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <cstddef>
#include <cstdint>

/// What the bus may cost (docs/DBUS.md). The defaults are for the system bus; tests have other
/// ones.
namespace rseq::daemon {

/// Bytes that were sent and may not have been read. Beyond that calls wait or are refused, and
/// beyond twice that, since refusals are bytes too, forgotten.
struct UnreadLimits {
    std::size_t connection_bytes = 2U << 20U;
    std::size_t user_bytes = 16U << 20U;      ///< to all connections of one user who is not root
    std::size_t total_bytes = 48U << 20U;     ///< to all connections of all these users
    std::size_t broadcast_bytes = 16U << 20U; ///< in signals to everybody
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
    UnreadLimits unread;
    PolkitLimits polkit;
    SubscriberLimits subscribers;
    std::size_t callers = 4096;
    std::size_t waiting = 8192;             ///< calls, by their weight
    std::size_t waiting_at_least = 8;       ///< of one caller, though too many of all wait
    std::size_t waiting_of_caller = 128;    ///< as dbus-daemon allows
    std::size_t waiting_bytes = 1024;       ///< of arguments; a call with more counts as several
    std::size_t refusals = 256;             ///< of one caller in a row, before calls are forgotten
    std::size_t at_once_bytes = 16U << 10U; ///< to one caller while not all is sent, out of turn
    std::size_t unsent_messages = 2048;     ///< that the bus has not taken yet
    int send_buffer_bytes = 64 * 1024;      ///< of the socket: what is in it is not unsent
};

} // namespace rseq::daemon
