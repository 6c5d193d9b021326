// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include "core/unique_fd.h"
#include "trace/format.h"

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace rseq::test {

using Bytes = std::vector<std::byte>;

/// The shape of the pages that these functions make, and of those in the recordings.
inline constexpr trace::PageShape page_shape{
    .commit_size = 8, .data_offset = 16, .page_size = 4096};

/// A record, or part of one, put together from numbers in the byte order of this machine.
class RecordBuilder {
public:
    template <class T>
    RecordBuilder& put(T value) {
        return put_at(bytes_.size(), &value, sizeof(value));
    }
    /// Zeros up to this offset.
    RecordBuilder& pad_to(std::size_t offset) {
        bytes_.resize(offset);
        return *this;
    }
    RecordBuilder& text(std::string_view characters) {
        return put_at(bytes_.size(), characters.data(), characters.size());
    }
    [[nodiscard]] const Bytes& bytes() const { return bytes_; }

private:
    RecordBuilder& put_at(std::size_t offset, const void* from, std::size_t size);

    Bytes bytes_;
};

/// A record of one of the recorded formats.
class EventRecord {
public:
    /// `kernel` and `event` as in tests/data/trace: "7.3", "rseq/rseq_register".
    EventRecord(const std::string& kernel, const std::string& event, pid_t common_pid);
    EventRecord& set(const char* field, std::uint64_t value);
    EventRecord& set(const char* field, std::string_view text);
    [[nodiscard]] const Bytes& bytes() const { return bytes_; }

private:
    std::shared_ptr<trace::Format> format_; // so that records can be copied
    Bytes bytes_;
};

/// The directory `events` of a recorded kernel.
UniqueFd recorded_events(const std::string& kernel);

/// A page of the ring buffer as Documentation/trace/ring-buffer-design.rst and the files
/// header_page and header_event describe it, built entry by entry.
class PageBuilder {
public:
    explicit PageBuilder(std::uint64_t time_ns) : time_ns_(time_ns) {}

    /// A record with its time since the entry before; its length is in the header if it is short.
    PageBuilder& record(std::uint32_t delta_ns, const Bytes& bytes);
    /// The same, with a word for the length in any case.
    PageBuilder& long_record(std::uint32_t delta_ns, const Bytes& bytes);
    /// Time that does not fit the 27 bits of an entry.
    PageBuilder& time_extend(std::uint64_t delta_ns);
    PageBuilder& time_stamp(std::uint64_t time_ns);
    /// A record that was thrown away after it was made.
    PageBuilder& discarded(std::uint32_t delta_ns, std::uint32_t payload);
    /// One entry's header and what follows it, as they are.
    PageBuilder& raw(std::uint32_t type, std::uint32_t delta_ns, const Bytes& bytes);
    /// Records are missing before the first one; the kernel knows how many or has no room for it.
    PageBuilder& missed(std::optional<std::uint64_t> count);
    /// A commit word that is not the sum of the entries.
    PageBuilder& commit(std::uint64_t word);

    [[nodiscard]] Bytes bytes() const;

private:
    std::uint64_t time_ns_;
    Bytes entries_;
    bool missed_ = false;
    std::optional<std::uint64_t> missed_count_;
    std::optional<std::uint64_t> commit_;
};

/// A pipe that gives one page with every read(2) and EAGAIN when there is none, as trace_pipe_raw
/// does.
class PagePipe {
public:
    PagePipe();
    void write(std::span<const std::byte> page) const;
    void close_writing() { writing_.reset(); }
    /// The reading end, once.
    UniqueFd take_reading() { return std::move(reading_); }

private:
    UniqueFd reading_;
    UniqueFd writing_;
};

/// The pages in a file of a recording.
std::vector<Bytes> pages_of(const std::string& path);

/// Every record of a page, or nothing if the page is refused.
struct PageRecord {
    std::uint64_t time_ns;
    Bytes bytes;
};
std::optional<std::vector<PageRecord>> records_of(std::span<const std::byte> page);

} // namespace rseq::test
