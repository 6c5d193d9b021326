// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <cstdint>
#include <ctime>

namespace rseq::daemon {

inline constexpr std::uint64_t nsec_per_usec = 1000;

/// The time of a clock that cannot fail.
[[nodiscard]] inline std::uint64_t now_ns(clockid_t clock) noexcept {
    timespec time{};
    ::clock_gettime(clock, &time);
    return static_cast<std::uint64_t>(time.tv_sec) * 1'000'000'000 +
           static_cast<std::uint64_t>(time.tv_nsec);
}

} // namespace rseq::daemon
