// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/event.h"

#include <algorithm>

namespace rseq::cli {

std::string_view to_string(EventKind kind) {
    switch (kind) {
    case EventKind::registration:
        return "registration";
    case EventKind::unregistration:
        return "unregistration";
    case EventKind::refusal:
        return "refusal";
    case EventKind::policy:
        return "policy";
    case EventKind::violation:
        return "violation";
    case EventKind::exec:
        return "exec";
    case EventKind::exit:
        return "exit";
    case EventKind::slice:
        break;
    }
    return "slice";
}

std::optional<EventKind> parse_event_kind(std::string_view text) {
    const auto* const found = std::find_if(all_event_kinds.begin(), all_event_kinds.end(),
                                           [&](EventKind kind) { return to_string(kind) == text; });
    return found == all_event_kinds.end() ? std::nullopt : std::optional(*found);
}

std::optional<Mode> BusEvent::mode() const {
    switch (kind) {
    case EventKind::registration:
    case EventKind::refusal:
        return details.mode;
    case EventKind::violation:
        if (details.version == std::uint8_t{1}) {
            return Mode::v1;
        }
        return details.version == std::uint8_t{2} ? std::optional(Mode::v2) : std::nullopt;
    case EventKind::slice:
        return Mode::v2; // no other has any
    case EventKind::unregistration:
    case EventKind::policy:
    case EventKind::exec:
    case EventKind::exit:
        break;
    }
    return std::nullopt;
}

} // namespace rseq::cli
