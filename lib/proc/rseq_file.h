// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include "core/result.h"
#include "core/types.h"

#include <cstdint>
#include <optional>
#include <string_view>

namespace rseq::proc {

/// /proc/<pid>/task/<tid>/rseq of the patched kernel (docs/ABI.md).
struct ThreadRseq {
    Registration registration; ///< `Version`, `Length`, `Slice`
    std::optional<Policy> policy;
};

/// /proc/<pid>/rseq of the patched kernel: the thread group.
struct ProcessRseq {
    ModeCounts threads; ///< `Unregistered`, `V1`, `V2`
    std::uint32_t slice_enabled = 0;
    /// Sums over the live threads: slices granted and how they ended.
    struct SliceCounts {
        std::uint64_t granted = 0;
        std::uint64_t yielded = 0;
        std::uint64_t syscall = 0;
        std::uint64_t expired = 0;
        std::uint64_t revoked = 0;
    } slices;
    std::optional<Policy> policy;
};

/// Parse the text of those files. Keys that are not known are ignored and an unknown policy word is
/// no policy, as later kernels may say more. Fails with EPROTO if a key that is needed is missing,
/// repeated or has a bad value, for counts that do not add up to `Threads`, and if the last line
/// has no end: its number might have been longer.
Result<ThreadRseq> parse_thread_rseq(std::string_view text);
Result<ProcessRseq> parse_process_rseq(std::string_view text);

} // namespace rseq::proc
