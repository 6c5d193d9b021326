// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include "core/result.h"
#include "proc/cgroup.h"
#include "proc/proc_reader.h"
#include "proc/rseq_file.h"

#include <cstdint>
#include <string>
#include <vector>

namespace rseq::cli {

/// What one process has of time slice extensions.
struct SliceUse {
    pid_t pid = 0;
    std::string comm; ///< untrusted
    proc::Unit unit;
    std::uint32_t enabled_threads = 0;
    proc::ProcessRseq::SliceCounts counts;
};

struct SliceUses {
    SliceUse total;                  ///< of all processes
    std::vector<SliceUse> processes; ///< that use them, ascending by number
    std::uint32_t unread = 0;        ///< processes whose file could not be read
};

/// Reads /proc/PID/rseq of every process. Fails with ENOENT on a kernel without it.
Result<SliceUses> read_slice_uses(const proc::ProcReader& reader);

} // namespace rseq::cli
