// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace rseq::enforce {

/// The value of GLIBC_TUNABLES (`NAME=VALUE:NAME=VALUE`, glibc's manual, "Tunables") that lets
/// glibc register, or not, and leaves the other tunables as they are.
[[nodiscard]] std::string with_rseq_tunable(std::string_view tunables, bool glibc_registers);

/// The value of GLIBC_TUNABLES in an environment of `NAME=VALUE` strings, the last one; empty if it
/// is not there.
[[nodiscard]] std::string_view tunables_in(std::span<const std::string> environment);

} // namespace rseq::enforce
