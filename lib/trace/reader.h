// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include "core/event.h"
#include "core/result.h"
#include "trace/events.h"
#include "trace/instance.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace rseq::trace {

struct ReaderOptions {
    InstanceOptions instance;
    /// Most events that one drain() returns.
    std::size_t batch = 1024;
};

/// What one drain() found.
struct Drained {
    /// In order of time, and not before any event of an earlier drain that could have caused them;
    /// see Reader. The times of events that are independent of each other can go back a little
    /// between two drains.
    std::vector<Event> events;
    /// Events that the kernel recorded and that are gone, or could not be understood, as far as it
    /// is known now. Not 0: take another look at everything. An event that is lost precedes all
    /// that drain() has not returned yet.
    std::uint64_t lost = 0;
};

/// Sums since open().
struct Counters {
    std::uint64_t events = 0;    ///< returned
    std::uint64_t lost = 0;      ///< the sum of Drained::lost
    std::uint64_t malformed = 0; ///< of these: pages and records that made no sense
    std::uint64_t ignored = 0;   ///< records of no interest: other hierarchies, unknown types
};

/// Subscribes to what the kernel does with threads, programs, cgroups and rseq, and returns it
/// event by event. Owns its Instance, which is gone when this is.
///
/// Order. Each CPU has a ring buffer of its own, in order of time; they are merged. While they are
/// read one after the other, new events arrive, and a later event of a CPU that is read last could
/// overtake an earlier one of the CPU that was read first. So drain() takes the time before it
/// reads and keeps what is younger for the next drain(). Why that suffices: let E cause F, on
/// different CPUs, as a clone(2) causes all that the new thread does. E was in its buffer before F
/// began, so if F is older than the drain, E was in its buffer before the drain read it. Two events
/// none of which causes the other have no order that could be wrong.
class Reader {
public:
    /// Subscribes: everything that happens from its return on will be seen, or reported as lost.
    /// Errors as Instance::open(), and EPROTO for event formats that make no sense.
    static Result<Reader> open(const ReaderOptions& options);

    Reader(Reader&&) noexcept;
    Reader& operator=(Reader&&) noexcept;
    Reader(const Reader&) = delete;
    Reader& operator=(const Reader&) = delete;
    ~Reader();

    /// Readable (EPOLLIN, level-triggered) when a ring buffer has something. It is an epoll(7)
    /// descriptor that holds the pipes of all CPUs, those that come later too, so it stays the
    /// same. It sleeps while there is nothing, and after a drain() that left nothing in the
    /// buffers.
    [[nodiscard]] int fd() const;

    /// What has happened, up to `batch` events; never blocks. Costs one read(2) for each CPU even
    /// if there is nothing. Fails only if the kernel refuses to be read.
    Result<Drained> drain();

    /// Whether the last drain() left something that it had read already, because it is too young or
    /// because the batch was full. fd() does not tell of that: call drain() again within some
    /// milliseconds.
    [[nodiscard]] bool pending() const;

    /// Switches rseq:rseq_slice_grant and rseq_slice_end on or off; off at first. ENOENT on a
    /// kernel without them.
    Result<void> set_slices(bool on);

    [[nodiscard]] EventSource source() const;
    [[nodiscard]] const Counters& counters() const;
    [[nodiscard]] const Instance& instance() const;

private:
    struct State;
    explicit Reader(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

} // namespace rseq::trace
