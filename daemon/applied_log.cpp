// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/applied_log.h"

#include "core/escape.h"
#include "daemon/log.h"

#include <algorithm>
#include <cstddef>
#include <string>

namespace rseq::daemon {

namespace {

std::string origin_text(const policy::Origin& origin) {
    return escape_untrusted(origin.file) + ":" + std::to_string(origin.line);
}

void log_note(const enforce::Note& note) {
    log::message(log::Level::warning, "rule {} ({}): {} of {}: {}",
                 note.rule.empty() ? "-" : note.rule, origin_text(note.origin), note.what,
                 escape_untrusted(note.target), note.reason);
}

bool is_same(const enforce::Note& one, const enforce::Note& other) {
    // A number in the reason may be another.
    return one.kind == other.kind && one.target == other.target && one.what == other.what &&
           one.rule == other.rule;
}

} // namespace

void log_applied(const enforce::Applied& applied, const enforce::Applied& last) {
    std::size_t done = 0;
    for (const enforce::Outcome& outcome : applied.outcomes) {
        if (outcome.error) {
            log::message(log::Level::warning, "rule {}: {}",
                         outcome.action.rule.empty() ? "-" : outcome.action.rule,
                         outcome.error->message());
        } else {
            ++done;
        }
    }
    for (const enforce::Note& note : applied.notes) {
        if (std::none_of(last.notes.begin(), last.notes.end(),
                         [&](const enforce::Note& one) { return is_same(one, note); })) {
            log_note(note);
        }
    }
    if (done > 0) {
        log::message(log::Level::info, "policies: {} changes made", done);
    }
}

} // namespace rseq::daemon
