// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include "cli/status_view.h"
#include "config/diagnostic.h"
#include "enforce/report.h"
#include "snapshot/snapshot.h"
#include "table/table.h"

#include <optional>
#include <string>
#include <vector>

/// The verbs of `rseqctl policy` as text and as JSON (docs/schema/policy-*.json).
namespace rseq::cli {

/// What `policy show` has found out.
struct Shown {
    /// Not one target: all that was written anywhere.
    bool everything = false;
    enforce::TargetReport target;
    /// The rule of the target, as the list of rules has it.
    std::optional<enforce::RuleReport> rule;
    /// Those of the target.
    std::vector<snapshot::Process> processes;
};

/// `counted`: somebody has counted who complies.
[[nodiscard]] Table rule_table(const std::vector<enforce::RuleReport>& rules, bool counted);
/// Why rules are not in force, a line for each.
[[nodiscard]] std::string reasons_to_text(const std::vector<enforce::RuleReport>& rules);
[[nodiscard]] Json list_document(const Origin& origin,
                                 const std::vector<enforce::RuleReport>& rules);

[[nodiscard]] std::string shown_to_text(const Shown& shown, bool legend, bool colour);
[[nodiscard]] Json shown_document(const Origin& origin, const Shown& shown);

[[nodiscard]] std::string change_to_text(const enforce::ChangeReport& change, bool legend,
                                         bool colour);
[[nodiscard]] Json change_document(const Origin& origin, const enforce::ChangeReport& change,
                                   bool dry_run);

/// What `policy check` has found in these files, or in all of the configuration if there are none.
[[nodiscard]] Json check_document(const std::vector<std::string>& files, std::size_t rules,
                                  const config::Diagnostics& errors);

} // namespace rseq::cli
