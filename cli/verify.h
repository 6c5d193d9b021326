// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include "core/kernel_facts.h"
#include "table/table.h"
#include "verify/verify.h"

#include <string>
#include <vector>

namespace rseq::cli {

/// One row for each guarantee.
[[nodiscard]] Table findings_table(const std::vector<verify::Finding>& findings);

/// What `rseqctl verify` prints: the kernel, the table, and what it means for v1 users.
[[nodiscard]] std::string verify_to_text(const KernelFacts& facts,
                                         const std::vector<verify::Finding>& findings, bool legend,
                                         bool colour);

/// The same as a JSON document.
[[nodiscard]] Json verify_to_json(const KernelFacts& facts,
                                  const std::vector<verify::Finding>& findings);

} // namespace rseq::cli
