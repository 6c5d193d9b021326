// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include "trace/format.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>

struct kbuffer;

namespace rseq::trace {

/// Goes through one page as trace_pipe_raw gives it: a header, then entries with records in them
/// (the kernel's ring buffer format, see `events/header_page` and `events/header_event`). It is
/// checked as a whole before any entry is looked at: libtraceevent's reader trusts all lengths.
class Page {
public:
    explicit Page(const PageShape& shape);
    Page(Page&&) noexcept = default;
    Page& operator=(Page&&) noexcept = default;
    Page(const Page&) = delete;
    Page& operator=(const Page&) = delete;
    ~Page();

    /// Starts with the first record of `bytes`, which the caller keeps unchanged until the next
    /// load(). False, and no record, if it is not a whole page with entries that fit.
    bool load(std::span<const std::byte> bytes);

    /// False at the end of the page, and before any load().
    [[nodiscard]] bool has_record() const { return record_ != nullptr; }
    /// Of the record where it stands: what the instance's trace clock showed.
    [[nodiscard]] std::uint64_t time_ns() const { return time_ns_; }
    [[nodiscard]] std::span<const std::byte> record() const;
    void next();

    /// Records that were overwritten before the first one of this page was read: 0 for none,
    /// nothing if there were any but the page had no room for their number.
    [[nodiscard]] std::optional<std::uint64_t> missed() const { return missed_; }

private:
    struct Free {
        void operator()(kbuffer* buffer) const noexcept;
    };

    [[nodiscard]] bool entries_fit(std::span<const std::byte> bytes, std::size_t end) const;

    PageShape shape_;
    std::unique_ptr<kbuffer, Free> buffer_;
    const void* record_ = nullptr;
    unsigned long long time_ns_ = 0;
    std::optional<std::uint64_t> missed_ = 0;
};

} // namespace rseq::trace
