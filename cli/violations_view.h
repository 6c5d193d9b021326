// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include "cli/violation_list.h"
#include "table/table.h"

#include <string>
#include <string_view>
#include <vector>

namespace rseq::cli {

/// One row for each group.
[[nodiscard]] Table violations_table(const std::vector<KilledGroup>& groups);

/// What `rseqctl violations` prints: the table, and the commands that pin units.
[[nodiscard]] std::string violations_to_text(const std::vector<KilledGroup>& groups, bool legend,
                                             bool colour);

/// The same as a document: docs/schema/violations.json. `source` is who told: "journal" or
/// "rseq-compatd".
[[nodiscard]] Json violations_to_json(const std::vector<KilledGroup>& groups,
                                      std::string_view source);

} // namespace rseq::cli
