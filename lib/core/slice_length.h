// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include "core/result.h"

#include <cstdint>
#include <string>

/// The length of a time slice extension, one for the whole machine, in nanoseconds. The kernel
/// keeps it in debugfs (Documentation/userspace-api/rseq.rst).
namespace rseq {

inline constexpr const char* slice_length_file = "/sys/kernel/debug/rseq/slice_ext_nsec";

/// What the kernel takes.
inline constexpr std::uint32_t least_slice_ns = 5000;
inline constexpr std::uint32_t most_slice_ns = 50000;

/// Fails with ENOENT if debugfs is not mounted or the kernel has no slices, EACCES for users other
/// than root.
[[nodiscard]] Result<std::uint32_t> read_slice_length(const std::string& file = slice_length_file);

/// Until the next boot. Fails as reading, with EINVAL for what the kernel does not take, and with
/// EPERM where lockdown keeps debugfs from being written.
[[nodiscard]] Result<void> write_slice_length(std::uint32_t length_ns,
                                              const std::string& file = slice_length_file);

} // namespace rseq
