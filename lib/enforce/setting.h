// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include "core/result.h"
#include "core/types.h"

#include <optional>
#include <string>
#include <string_view>
#include <variant>

namespace rseq::enforce {

/// One of the two things that a cgroup can be held to: one line of cgroup.rseq (docs/ABI.md).
using Setting = std::variant<PolicyMode, PolicySlice>;

/// "mode legacy", "slice deny": what is written to the file, without the end of the line.
[[nodiscard]] std::string to_line(const Setting& setting);

/// The inverse; nothing if it is no such line.
[[nodiscard]] std::optional<Setting> parse_line(std::string_view line);

/// What reading the file gives. Lines of keys that are not known are passed over. Fails with EPROTO
/// if one of the two is missing or says what is not known.
Result<Policy> parse_cgroup_rseq(std::string_view text);

} // namespace rseq::enforce
