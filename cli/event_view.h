// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include "cli/event.h"
#include "table/table.h"

#include <string>
#include <vector>

namespace rseq::cli {

/// The columns of `monitor`, with a row for each event. The columns have room for what is usual, so
/// that tables of one row each make up one table.
[[nodiscard]] Table event_table(const std::vector<BusEvent>& events);

/// One document of `monitor --json`: docs/schema/monitor.json.
[[nodiscard]] Json event_document(const BusEvent& event);
[[nodiscard]] Json lost_document(const EventsLost& lost);

/// The same in one clause for people.
[[nodiscard]] std::string lost_to_text(const EventsLost& lost);

} // namespace rseq::cli
