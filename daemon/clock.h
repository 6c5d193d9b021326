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

/// How long what began at `begin_ns` (CLOCK_MONOTONIC), and has just ended, has to wait before it
/// is done again, not to take more than a twentieth of a CPU.
[[nodiscard]] inline std::uint64_t pause_usec(std::uint64_t begin_ns) noexcept {
    constexpr std::uint64_t pause_per_duration = 20;
    return (now_ns(CLOCK_MONOTONIC) - begin_ns) / nsec_per_usec * pause_per_duration;
}

} // namespace rseq::daemon
