// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include "core/types.h"

#include <cstdint>
#include <string>

namespace rseq {

/// Whether something can be had on this kernel.
enum class Availability : std::uint8_t { unknown, no, yes };

/// What the running kernel offers, found by behaviour and never by its version number.
struct KernelFacts {
    /// uname(2) release: shown, never judged by.
    std::string release;
    KernelClass kernel_class = KernelClass::unknown;
    /// Why the class is what it is, or why it is unknown: one clause for people.
    std::string class_reason;
    /// AT_RSEQ_FEATURE_SIZE and AT_RSEQ_ALIGN of this process's auxiliary vector; 0 if absent.
    std::uint32_t feature_size = 0;
    std::uint32_t alignment = 0;
    Availability slices = Availability::unknown;
    /// Why slices are not available or not known; empty if they are.
    std::string slices_reason;
    /// Version of the project's kernel ABI: 1 where /proc/<pid>/rseq exists, 0 where it does not.
    std::uint32_t abi = 0;
};

} // namespace rseq
