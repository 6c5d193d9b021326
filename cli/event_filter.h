// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include "cli/event.h"
#include "cli/selection.h"
#include "core/result.h"
#include "core/types.h"

#include <string_view>
#include <vector>

namespace rseq::cli {

/// What is monitored unless kinds are named: all that is about registrations. The others are far
/// more frequent, and slices cost something if they are watched.
inline constexpr std::array<EventKind, 5> default_event_kinds{
    EventKind::registration, EventKind::unregistration, EventKind::refusal, EventKind::policy,
    EventKind::violation};

/// "registration,violation" and the like, each kind once. Fails with EINVAL for a word that is no
/// kind, an empty one included.
Result<std::vector<EventKind>> parse_event_kinds(std::string_view list);

/// Which events are wanted. An empty list of targets or modes does not filter.
struct EventFilter {
    std::vector<EventKind> kinds;
    Targets targets;
    std::vector<Mode> modes;

    [[nodiscard]] bool wants(const BusEvent& event) const;
};

/// The wanted kinds that can never come from a daemon that is told of changes in this way
/// (DaemonFacts::events).
[[nodiscard]] std::vector<EventKind> kinds_not_offered(const std::vector<EventKind>& wanted,
                                                       std::string_view events);

} // namespace rseq::cli
