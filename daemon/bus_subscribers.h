// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include "daemon/bus_callers.h"
#include "daemon/bus_limits.h"
#include "daemon/bus_values.h"
#include "daemon/occurrence.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

namespace rseq::daemon {

/// Callers who want to be told of events. Each gets signals of its own, and none that it has not
/// asked for. One that does not read them fast enough loses events, and is told how many.
class Subscribers {
public:
    /// `want_slices` is called when the first subscriber wants slice events, and when the last one
    /// is gone. `callers` has to outlive the result.
    Subscribers(Callers& callers, const SubscriberLimits& limits,
                std::function<void(bool)> want_slices)
        : callers_(callers), limits_(limits), want_slices_(std::move(want_slices)) {}
    Subscribers(const Subscribers&) = delete;
    Subscribers& operator=(const Subscribers&) = delete;
    ~Subscribers();

    [[nodiscard]] static constexpr std::uint16_t bit(Kind kind) {
        return static_cast<std::uint16_t>(1U << static_cast<unsigned>(kind));
    }

    /// Replaces what the caller wants by a set of bits; none ends the subscription. False if there
    /// are too many subscribers.
    bool set(Caller& caller, std::uint16_t wanted);

    [[nodiscard]] bool wants(Kind kind) const {
        return counts_[static_cast<std::size_t>(kind)] > 0;
    }
    void report(const Occurrence& occurrence);
    /// Events that nobody can be told of any more.
    void report_lost(std::uint64_t count);
    /// The caller can be told again what it missed.
    void tell_missed(Caller& caller);

private:
    /// Sends a signal with the arguments that `write(BusWriter&)` appends. False if it cannot be.
    template <class Write>
    bool signal(Caller& caller, const char* member, Write write);

    Callers& callers_;
    SubscriberLimits limits_;
    std::function<void(bool)> want_slices_;
    std::vector<Caller*> subscribers_;
    std::array<std::uint32_t, kinds> counts_{}; ///< subscribers of each kind
};

} // namespace rseq::daemon
