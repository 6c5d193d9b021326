// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include "core/result.h"
#include "core/types.h"

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace rseq::bpf {

/// Takes apart what the task iterator wrote: whole records of bpf/thread_record.h, back to back.
/// `ticks_per_second` is USER_HZ, as sysconf(_SC_CLK_TCK) tells it. The registration is absent
/// where the kernel's layout is not known or the thread was caught halfway through registering. Its
/// slice state is `enabled`, or `unavailable` where that is certain from the task alone (slices not
/// built, thread not registered), or else `unknown`: a switch at boot cannot be seen from here.
/// Fails with EPROTO on anything that the iterator cannot have written.
Result<std::vector<ThreadObservation>> decode_records(std::span<const std::byte> bytes,
                                                      std::uint64_t ticks_per_second);

} // namespace rseq::bpf
