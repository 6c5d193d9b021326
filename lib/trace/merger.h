// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include "core/event.h"
#include "core/result.h"
#include "trace/decoder.h"
#include "trace/page.h"
#include "trace/pipes.h"

#include <cstddef>
#include <cstdint>
#include <vector>

namespace rseq::trace {

/// Reads pages from the pipes of all CPUs and merges their records by time. It holds one page of
/// each CPU and takes the next when all of its records are handed out, so its memory is bounded,
/// and what it is too slow for is overwritten, and counted, in the kernel.
class Merger {
public:
    explicit Merger(const PageShape& shape) : shape_(shape) {}

    void add(Pipe pipe);

    /// A CPU of which records were missing.
    struct Missed {
        unsigned cpu = 0;
        std::uint64_t at_least = 0;
    };
    struct Merged {
        std::vector<Event> events;
        std::vector<Missed> missed;
        std::uint64_t malformed = 0; ///< pages and records
        std::uint64_t ignored = 0;   ///< records
    };

    /// Merges what was recorded until `horizon_ns`, up to `batch` events. Before the first record
    /// is handed out, and before a page is given up, every CPU is read until it has a record or has
    /// nothing.
    Result<Merged> merge(Decoder& decoder, std::uint64_t horizon_ns, std::size_t batch);

    /// Whether a page with records is held.
    [[nodiscard]] bool pending() const;

private:
    struct Stream {
        Pipe pipe;
        Page page;
        std::vector<std::byte> buffer; ///< what `page` looks at
        bool exhausted = false;        ///< had nothing during this merge()
    };

    static Result<void> refill(Stream& stream, Merged& merged);

    PageShape shape_;
    std::vector<Stream> streams_;
};

} // namespace rseq::trace
