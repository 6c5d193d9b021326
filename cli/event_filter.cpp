// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/event_filter.h"

#include "core/parse.h"
#include "proc/unit_pattern.h"

#include <algorithm>
#include <cerrno>
#include <string>

namespace rseq::cli {

namespace {

template <class Range, class T>
bool contains(const Range& range, const T& value) {
    return std::find(range.begin(), range.end(), value) != range.end();
}

/// True if the pattern names the unit with this display name; what follows its last slash is the
/// unit's own name.
bool names(const std::string& pattern, const std::string& display_name) {
    return proc::UnitPattern(pattern).matches(display_name.substr(display_name.rfind('/') + 1),
                                              display_name);
}

} // namespace

Result<std::vector<EventKind>> parse_event_kinds(std::string_view list) {
    std::vector<EventKind> kinds;
    for (bool more = true; more;) {
        more = list.find(',') != std::string_view::npos;
        const std::string_view word = take_until(list, ',');
        const auto kind = parse_event_kind(word);
        if (!kind) {
            std::string known;
            for (const EventKind candidate : all_event_kinds) {
                known += (known.empty() ? "" : ", ") + std::string(to_string(candidate));
            }
            return fail(EINVAL, "--kind: '" + std::string(word) + "' is none of " + known);
        }
        if (!contains(kinds, *kind)) {
            kinds.push_back(*kind);
        }
    }
    return kinds;
}

bool EventFilter::wants(const BusEvent& event) const {
    const bool is_target =
        (targets.pids.empty() && targets.units.empty()) || contains(targets.pids, event.pid) ||
        std::any_of(targets.units.begin(), targets.units.end(),
                    [&](const std::string& pattern) { return names(pattern, event.unit); });
    const auto mode = event.mode();
    return is_target && contains(kinds, event.kind) &&
           (modes.empty() || (mode && contains(modes, *mode)));
}

std::vector<EventKind> kinds_not_offered(const std::vector<EventKind>& wanted,
                                         std::string_view events) {
    std::vector<EventKind> missing = wanted;
    std::erase_if(missing, [&](EventKind kind) {
        if (events == "syscalls") { // what every kernel tells of
            return kind != EventKind::policy && kind != EventKind::violation &&
                   kind != EventKind::slice;
        }
        return events != "none";
    });
    return missing;
}

} // namespace rseq::cli
