// SPDX-License-Identifier: GPL-2.0-or-later
#include "trace/page.h"

extern "C" {
#include <kbuffer.h>
}

#include <bit>
#include <cstring>
#include <limits>
#include <new>

namespace rseq::trace {

namespace {

// The lower half of the commit word: how many bytes of entries there are, and two flags. The upper
// one is the sign of the second.
constexpr std::uint32_t commit_mask = (1U << 27U) - 1;
constexpr std::uint32_t missed_stored = 1U << 30U; ///< their number follows the entries
constexpr std::uint32_t missed_events = 1U << 31U;

/// The kernel's count is a signed long.
constexpr std::uint64_t largest_count = std::numeric_limits<std::int64_t>::max();

constexpr std::size_t entry_header = 4;

std::uint32_t load_u32(const std::byte* from) {
    std::uint32_t value{};
    std::memcpy(&value, from, sizeof(value));
    return value;
}

/// The kernel's long, as it is in the commit word and in the count behind the entries.
std::uint64_t load_long(const std::byte* from, std::size_t size) {
    if (size == sizeof(std::uint32_t)) {
        return load_u32(from);
    }
    std::uint64_t value{};
    std::memcpy(&value, from, sizeof(value));
    return value;
}

/// type_len:5, time_delta:27, a bit field of C and so in the order of the machine.
std::uint32_t type_of(std::uint32_t head) {
    return std::endian::native == std::endian::little ? head & 31U : head >> 27U;
}
std::uint32_t delta_of(std::uint32_t head) {
    return std::endian::native == std::endian::little ? head >> 5U : head & ((1U << 27U) - 1);
}

} // namespace

void Page::Free::operator()(kbuffer* buffer) const noexcept {
    kbuffer_free(buffer);
}

Page::Page(const PageShape& shape)
    : shape_(shape),
      buffer_(kbuffer_alloc(shape.commit_size == 8 ? KBUFFER_LSIZE_8 : KBUFFER_LSIZE_4,
                            KBUFFER_ENDIAN_SAME_AS_HOST)) {
    if (!buffer_) {
        throw std::bad_alloc();
    }
}

Page::~Page() = default;

bool Page::entries_fit(std::span<const std::byte> bytes, std::size_t end) const {
    std::size_t at = shape_.data_offset;
    while (at < end) {
        if (end - at < entry_header) {
            return false;
        }
        const std::uint32_t head = load_u32(bytes.data() + at);
        const std::uint32_t type = type_of(head);
        std::uint64_t length = 0; // of what follows the entry's header
        if (type == 0 || type == KBUFFER_TYPE_PADDING) {
            // The word behind the header counts itself. An entry of padding without a delta has
            // none and fills a page to its end, but is never part of what is committed.
            if (end - at < 2 * entry_header ||
                (type == KBUFFER_TYPE_PADDING && delta_of(head) == 0)) {
                return false;
            }
            length = load_u32(bytes.data() + at + entry_header);
            if (length < entry_header || length > end - at) {
                return false;
            }
            length = (length + 3) & ~std::uint64_t{3};
        } else if (type == KBUFFER_TYPE_TIME_EXTEND || type == KBUFFER_TYPE_TIME_STAMP) {
            length = 4;
        } else {
            length = std::uint64_t{type} * 4;
        }
        if (length > end - at - entry_header) {
            return false;
        }
        at += entry_header + length;
    }
    return true;
}

bool Page::load(std::span<const std::byte> bytes) {
    record_ = nullptr;
    missed_ = 0;
    if (bytes.size() < shape_.data_offset) {
        return false;
    }
    const auto word = static_cast<std::uint32_t>(load_long(bytes.data() + 8, shape_.commit_size));
    const std::size_t committed = word & commit_mask;
    const std::size_t room = bytes.size() - shape_.data_offset;
    const bool stored = (word & missed_stored) != 0;
    if ((word & ~(commit_mask | missed_stored | missed_events)) != 0 || committed > room ||
        (stored && room - committed < shape_.commit_size) ||
        !entries_fit(bytes, shape_.data_offset + committed)) {
        return false;
    }
    if ((word & missed_events) != 0) {
        missed_ = std::nullopt;
        if (stored) {
            // Not kbuffer_missed_events(), which is an int.
            const std::uint64_t count =
                load_long(bytes.data() + shape_.data_offset + committed, shape_.commit_size);
            if (count <= largest_count) {
                missed_ = count;
            }
        }
    }
    // It is not written to.
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-const-cast)
    if (kbuffer_load_subbuffer(buffer_.get(), const_cast<std::byte*>(bytes.data())) != 0) {
        return false;
    }
    record_ = kbuffer_read_event(buffer_.get(), &time_ns_);
    return true;
}

std::span<const std::byte> Page::record() const {
    const int size = kbuffer_event_size(buffer_.get());
    return {static_cast<const std::byte*>(record_), size > 0 ? static_cast<std::size_t>(size) : 0};
}

void Page::next() {
    record_ = kbuffer_next_event(buffer_.get(), &time_ns_);
}

} // namespace rseq::trace
