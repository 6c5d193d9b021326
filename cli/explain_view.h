// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include "explain/explain.h"
#include "table/table.h"

#include <string>

namespace rseq::cli {

/// One row for each reason.
[[nodiscard]] Table reasons_table(const explain::Explanation& explanation);

/// What `rseqctl explain` prints: the process and its mode, why, the reasons, and what would change
/// it.
[[nodiscard]] std::string explain_to_text(const explain::Findings& evidence,
                                          const explain::Explanation& explanation, bool legend,
                                          bool colour);

/// The same as a document: docs/schema/explain.json.
[[nodiscard]] Json explain_to_json(const explain::Findings& evidence,
                                   const explain::Explanation& explanation);

} // namespace rseq::cli
