// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include "cli/violation_list.h"
#include "core/result.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace rseq::cli {

/// The violations that rseq-compatd wrote to the journal of this machine, or to the journal files
/// in `directory` unless that is empty, since a moment (microseconds since 1970). Only entries that
/// are of the service itself count there: anybody may write to the journal. Fails with EACCES if
/// this user may not read the journal, ENOENT if there is none, and ENOBUFS if there are more than
/// a hundred thousand.
Result<std::vector<Killed>> read_violations(const std::string& directory,
                                            std::optional<std::uint64_t> since_usec);

} // namespace rseq::cli
