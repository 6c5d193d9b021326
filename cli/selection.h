// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include "cli/verb.h"
#include "core/result.h"
#include "core/types.h"
#include "proc/proc_reader.h"
#include "snapshot/snapshot.h"

#include <sys/types.h>

#include <string>
#include <string_view>
#include <vector>

namespace rseq::cli {

/// What the positional arguments of a verb name.
struct Targets {
    std::vector<pid_t> pids;
    std::vector<std::string> units; ///< as proc::UnitPattern takes them
};

/// Sorts PIDs from units. Fails with EINVAL for a number that can be no process.
Result<Targets> parse_targets(const std::vector<std::string>& arguments);

/// Fails with ESRCH if there is no such process, or if it is a thread of another one.
Result<void> check_process(const proc::ProcReader& reader, pid_t pid);

/// The status for that error: a process that cannot be read is there all the same.
[[nodiscard]] Exit not_found_or_failure(const Error& error);

/// "v1,v2" and the like. Fails with EINVAL for a word that is no mode, an empty one included.
Result<std::vector<Mode>> parse_modes(std::string_view list);

/// Drops processes that are none of the targets, of other modes, or of other units; empty lists do
/// not filter. Fails with ENOENT for a unit that was named and has no process.
Result<void> select(std::vector<snapshot::Process>& processes, const Targets& targets,
                    const std::vector<Mode>& modes, const std::vector<std::string>& units);

} // namespace rseq::cli
