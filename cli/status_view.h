// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include "core/kernel_facts.h"
#include "snapshot/snapshot.h"
#include "table/table.h"

namespace rseq::cli {

/// One row for each process, or for each of its threads.
[[nodiscard]] Table process_table(const std::vector<snapshot::Process>& processes);
[[nodiscard]] Table thread_table(const std::vector<snapshot::Process>& processes);

/// How many of the processes are unknown, why, and what would show them; empty if none is.
[[nodiscard]] std::string unknown_remark(const snapshot::Snapshot& snapshot, bool probed);

/// The document of `status --json`: docs/schema/status.json.
[[nodiscard]] Json status_document(const KernelFacts& facts, const snapshot::Snapshot& snapshot,
                                   bool threads);

} // namespace rseq::cli
