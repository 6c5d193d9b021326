// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <string_view>

namespace rseq::daemon {

/// Lets through at most `burst` entries in each interval, and beyond them the first one of each
/// party, so that nobody can hide what happens to others behind entries of his own. Counts the
/// rest. It has no clock of its own; times are of any clock that does not go back.
class JournalLimit {
public:
    /// In one interval; the others have to do with the burst.
    static constexpr std::size_t parties_at_most = 100;

    JournalLimit(std::uint64_t interval_ns, std::uint32_t burst)
        : interval_ns_(interval_ns), burst_(burst) {}

    /// True if one more, of this party, may pass at this time.
    [[nodiscard]] bool admit(std::uint64_t now_ns, std::string_view party) {
        if (passed_ == 0 || now_ns >= ends_ns_) {
            ends_ns_ = now_ns + interval_ns_;
            passed_ = 0;
            parties_.clear();
        }
        const bool is_first = !parties_.contains(party) && parties_.size() < parties_at_most;
        if (is_first) {
            parties_.emplace(party);
        }
        if (passed_ < burst_) {
            ++passed_;
            return true;
        }
        held_back_ += is_first ? 0U : 1U;
        return is_first;
    }

    /// When the interval ends in which something was held back; nothing if nothing was.
    [[nodiscard]] std::optional<std::uint64_t> due_ns() const {
        return held_back_ > 0 ? std::optional(ends_ns_) : std::nullopt;
    }

    /// How many were held back, once that interval is over; then forgets them.
    [[nodiscard]] std::uint64_t take_held_back(std::uint64_t now_ns) {
        if (held_back_ == 0 || now_ns < ends_ns_) {
            return 0;
        }
        const std::uint64_t count = held_back_;
        held_back_ = 0;
        return count;
    }

    /// Other numbers from the next interval on. What was held back is kept.
    void change(std::uint64_t interval_ns, std::uint32_t burst) {
        interval_ns_ = interval_ns;
        burst_ = burst;
    }

private:
    std::uint64_t interval_ns_;
    std::uint32_t burst_;
    std::uint64_t ends_ns_ = 0;
    std::uint32_t passed_ = 0;
    std::uint64_t held_back_ = 0;
    std::set<std::string, std::less<>> parties_; ///< that had an entry in this interval
};

} // namespace rseq::daemon
