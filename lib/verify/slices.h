// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include "core/kernel_facts.h"
#include "verify/kernel.h"

#include <cstdint>
#include <string>

namespace rseq::verify {

/// Operations and the one flag of prctl(PR_RSEQ_SLICE_EXTENSION).
inline constexpr unsigned long slice_get = 1;
inline constexpr unsigned long slice_set = 2;
inline constexpr unsigned long slice_enable = 1;

/// What the prctl answers to a thread that changes from unregistered to v1 to v2. Results or
/// -errno.
struct SliceAnswers {
    bool asked = false;
    bool asked_as_v1 = false;
    bool asked_as_v2 = false;
    int get = 0;
    int get_with_argument = 0;
    int get_with_arg4 = 0;
    int unknown_operation = 0;
    int set_unknown_flag = 0;
    int enable_unregistered = 0;
    int enable_v1 = 0;
    int enable_v2 = 0;
    /// Asked and read while it was enabled for v2.
    int get_enabled = 0;
    std::uint32_t flags_enabled = 0;
};

/// Asks everything, starting and ending unregistered. `v2_length` is 0 where v2 is not offered.
void ask_about_slices(Subject& subject, std::uint32_t v2_length, SliceAnswers& answers);

/// Whether this process can have slices, and if not why. An ENOTSUPP alone does not tell the cause:
/// a kernel that was built without slices gives it to every operation, one where they are off only
/// to those that would change something.
[[nodiscard]] Availability judge_slices(const SliceAnswers& answers, bool off_at_boot,
                                        std::string& reason);

} // namespace rseq::verify
