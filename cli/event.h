// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include "core/types.h"

#include <sys/types.h>

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

namespace rseq::cli {

/// The kinds of events that the daemon tells of, in the order of docs/DBUS.md.
enum class EventKind : std::uint8_t {
    registration,
    unregistration,
    refusal,
    policy,
    violation,
    exec,
    exit,
    slice,
};

inline constexpr std::array<EventKind, 8> all_event_kinds{
    EventKind::registration, EventKind::unregistration, EventKind::refusal, EventKind::policy,
    EventKind::violation,    EventKind::exec,           EventKind::exit,    EventKind::slice};

/// The words of docs/DBUS.md.
[[nodiscard]] std::string_view to_string(EventKind kind);
/// The inverse; nothing for any other word.
[[nodiscard]] std::optional<EventKind> parse_event_kind(std::string_view text);

/// What an event says beside who and when. Which members mean something depends on the kind; what
/// the daemon did not say is empty.
struct EventDetails {
    std::optional<std::uint32_t> length{}; ///< registration, refusal: bytes
    std::optional<Mode> mode{};            ///< registration, refusal: what came of it
    std::optional<std::int32_t> flags{};
    std::optional<std::uint32_t> signature{};
    std::optional<std::int32_t> error{}; ///< an errno; 0 for success
    std::optional<Policy> policy{};
    std::string reason{};                  ///< violation: a word of docs/ABI.md, untrusted
    std::optional<std::uint8_t> version{}; ///< violation: 1 or 2
    std::optional<std::uint64_t> expected{};
    std::optional<std::uint64_t> found{};
    std::optional<std::uint64_t> ip{};
    std::string filename{};            ///< exec: as execve(2) was given it, untrusted
    std::string what{};                ///< slice: grant, yield, enable, ..., untrusted
    std::optional<std::uint64_t> ns{}; ///< slice: length of the slice, or how long it was held
};

/// One `Event` of the daemon.
struct BusEvent {
    EventKind kind = EventKind::registration;
    std::uint64_t time_usec = 0; ///< CLOCK_REALTIME
    pid_t pid = 0;               ///< 0 if not known
    pid_t tid = 0;               ///< 0 if not known
    std::string comm;            ///< untrusted
    std::string unit;            ///< proc::Unit::display_name(), untrusted; empty without a unit
    EventDetails details;

    /// The mode that the event tells of: that of the registration it is about. Nothing for events
    /// that are about none.
    [[nodiscard]] std::optional<Mode> mode() const;
};

/// So many events did not reach this subscriber.
struct EventsLost {
    std::uint64_t count = 0;
};

} // namespace rseq::cli
