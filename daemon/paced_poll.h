// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include "core/result.h"
#include "daemon/event_source.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <utility>

namespace rseq::daemon {

/// Reads a descriptor that becomes readable in bursts: at once when the first byte is there after a
/// pause, and from then on in steps until there is nothing more. A lone event is seen without
/// delay, a thousand of them a second cost no thousand wakeups, and silence costs none.
class PacedPoll {
public:
    /// Reads. True if there was something or will be something without the descriptor saying so:
    /// it is called again after a step then.
    using Drain = std::function<bool()>;

    /// The descriptor has to stay open as long as the result.
    static Result<std::unique_ptr<PacedPoll>> create(sd_event* loop, int fd,
                                                     std::uint64_t step_usec, Drain drain);

    PacedPoll(const PacedPoll&) = delete;
    PacedPoll& operator=(const PacedPoll&) = delete;
    ~PacedPoll() = default;

    /// Drains now, outside of the loop's turn.
    void drain_now() noexcept;

private:
    PacedPoll(std::uint64_t step_usec, Drain drain)
        : step_usec_(step_usec), drain_(std::move(drain)) {}

    static int on_readable(sd_event_source* source, int fd, std::uint32_t events,
                           void* self) noexcept;
    static int on_step(sd_event_source* source, std::uint64_t usec, void* self) noexcept;

    std::uint64_t step_usec_;
    Drain drain_;
    EventSource readable_;
    EventSource step_;
};

} // namespace rseq::daemon
