// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include "core/kernel_facts.h"
#include "snapshot/snapshot.h"
#include "table/table.h"

#include <optional>
#include <string>
#include <vector>

namespace rseq::cli {

/// Who was asked.
enum class Asked : unsigned char {
    kernel, ///< by this program, from the best source
    ptrace, ///< by this program, thread by thread
    daemon, ///< rseq-compatd
};

/// Where an answer comes from.
struct Origin {
    Asked asked = Asked::kernel;
    std::string version; ///< of the program that read the kernel: the daemon, or rseqctl; untrusted
    std::string host;    ///< [USER@]HOST; empty for this machine
};

[[nodiscard]] Json origin_to_json(const Origin& origin);

// Cells that more than one table has.
[[nodiscard]] Cell mode_cell(Mode mode);
[[nodiscard]] Cell policy_cell(const std::optional<Policy>& policy);
[[nodiscard]] Cell compliant_cell(const snapshot::Process& process);

/// The line below those of the kernel.
[[nodiscard]] std::string origin_to_text(const Origin& origin);

/// One row for each process, or for each of its threads.
[[nodiscard]] Table process_table(const std::vector<snapshot::Process>& processes);
[[nodiscard]] Table thread_table(const std::vector<snapshot::Process>& processes);

/// How many of the processes are unknown, why, and what would show them; empty if none is.
[[nodiscard]] std::string unknown_remark(const snapshot::Snapshot& snapshot, const Origin& origin);

/// The document of `status --json`: docs/schema/status.json.
[[nodiscard]] Json status_document(const Origin& origin, const KernelFacts& facts,
                                   const snapshot::Snapshot& snapshot, bool threads);

} // namespace rseq::cli
