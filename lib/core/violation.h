// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace rseq {

/// What a process did to be killed for rseq, as one clause: "cpu_id_start overwritten (expected 3,
/// found 0x80000003)". `reason` and the meaning of the two values are those of the trace event
/// rseq_violation (docs/ABI.md); a reason that is not known is named as it is, escaped.
[[nodiscard]] std::string describe_violation(std::string_view reason, std::uint64_t expected,
                                             std::uint64_t found);

/// The reasons that are known.
[[nodiscard]] std::vector<std::string_view> violation_reasons();

} // namespace rseq
