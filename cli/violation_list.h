// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include "core/result.h"
#include "core/types.h"

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace rseq::cli {

/// A process that was killed for what it did with its registration.
struct Killed {
    std::uint64_t time_usec = 0; ///< CLOCK_REALTIME
    pid_t pid = 0;               ///< 0 if not known
    std::string comm;            ///< untrusted
    std::string exe;             ///< untrusted; empty if not known
    std::string cgroup;          ///< untrusted; empty if not known
    std::string unit;            ///< display name, untrusted; empty without a unit
    Mode mode = Mode::unknown;
    std::string reason;                    ///< a word of docs/ABI.md, untrusted
    std::optional<std::uint64_t> expected; ///< nothing if not known
    std::optional<std::uint64_t> found;
};

/// Several that differ in nothing but time, process and values.
struct KilledGroup {
    Killed last;
    std::uint64_t first_time_usec = 0;
    std::uint64_t times = 0;
};

/// The entry of the daemon's journal with these fields; nothing if it makes no sense.
[[nodiscard]] std::optional<Killed> parse_killed(std::uint64_t time_usec,
                                                 const std::map<std::string, std::string>& fields);

/// By unit, program, mode and reason, in the order in which they happened last.
[[nodiscard]] std::vector<KilledGroup> group(std::vector<Killed> killed);

/// What would keep the unit alive: a command that pins it to v1. Nothing if it was v1 already, if
/// the reason is one that v1 has too, or if there is no service to pin.
[[nodiscard]] std::optional<std::string> pinning_command(const Killed& killed);

/// A moment as microseconds since 1970: "today", "yesterday", "2h" (ago; s, min, h, d, w),
/// "2026-01-31", "2026-01-31 12:00" or with seconds, in local time. Fails with EINVAL.
Result<std::uint64_t> parse_since(std::string_view text, std::uint64_t now_usec);

} // namespace rseq::cli
