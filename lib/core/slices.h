// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include "core/kernel_facts.h"
#include "core/types.h"

#include <cstdint>
#include <optional>

namespace rseq {

/// What a thread in `mode` may do with slices: `told`, as far as the source knew it, completed by
/// the policy of its process and by whether the kernel has slices at all.
[[nodiscard]] SliceState slices_of_thread(Mode mode, SliceState told,
                                          const std::optional<Policy>& policy,
                                          Availability available);

/// The same for a process with these threads, of which `enabled` have enabled slices.
[[nodiscard]] SliceState slices_of_process(const ModeCounts& threads, std::uint32_t enabled,
                                           const std::optional<Policy>& policy,
                                           Availability available);

} // namespace rseq
