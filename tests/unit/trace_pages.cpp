// SPDX-License-Identifier: GPL-2.0-or-later
#include "trace_pages.h"

#include "core/file.h"
#include "trace/page.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <system_error>

namespace rseq::test {

namespace {

void append(Bytes& bytes, const void* from, std::size_t size) {
    const auto* const first = static_cast<const std::byte*>(from);
    bytes.insert(bytes.end(), first, first + size);
}

template <class T>
void append(Bytes& bytes, T value) {
    append(bytes, &value, sizeof(value));
}

} // namespace

RecordBuilder& RecordBuilder::put_at(std::size_t offset, const void* from, std::size_t size) {
    bytes_.resize(offset);
    append(bytes_, from, size);
    return *this;
}

UniqueFd recorded_events(const std::string& kernel) {
    auto fd = open_directory(RSEQ_TRACE_DATA "/" + kernel + "/events");
    if (!fd) {
        throw std::runtime_error(fd.error().message());
    }
    return std::move(*fd);
}

namespace {

trace::Format recorded_format(const std::string& kernel, const std::string& event) {
    const auto text =
        read_file(recorded_events(kernel).get(), (event + "/format").c_str(), 64UL * 1024);
    if (!text) {
        throw std::runtime_error(text.error().message());
    }
    return trace::Format::parse(*text, "recorded").value();
}

} // namespace

EventRecord::EventRecord(const std::string& kernel, const std::string& event, pid_t common_pid)
    : format_(std::make_shared<trace::Format>(recorded_format(kernel, event))) {
    set("common_type", format_->id());
    set("common_pid", static_cast<std::uint64_t>(common_pid));
}

EventRecord& EventRecord::set(const char* field, std::uint64_t value) {
    const trace::Field at = format_->number(field);
    if (!at.exists()) {
        throw std::runtime_error(std::string("no number ") + field);
    }
    bytes_.resize(std::max(bytes_.size(), std::size_t{at.offset} + at.size));
    if (std::endian::native == std::endian::big) {
        value <<= 64U - 8U * at.size;
    }
    std::memcpy(bytes_.data() + at.offset, &value, at.size);
    return *this;
}

EventRecord& EventRecord::set(const char* field, std::string_view text) {
    const trace::Field at = format_->text(field);
    if (!at.exists()) {
        throw std::runtime_error(std::string("no text ") + field);
    }
    bytes_.resize(std::max(bytes_.size(), std::size_t{at.offset} + at.size));
    if (at.shape == trace::Field::Shape::data_loc) {
        const auto location = static_cast<std::uint32_t>(bytes_.size() | (text.size() + 1) << 16U);
        std::memcpy(bytes_.data() + at.offset, &location, sizeof(location));
        append(bytes_, text.data(), text.size());
        bytes_.push_back(std::byte{0});
    } else {
        std::memcpy(bytes_.data() + at.offset, text.data(),
                    std::min<std::size_t>(text.size(), at.size));
    }
    return *this;
}

PageBuilder& PageBuilder::raw(std::uint32_t type, std::uint32_t delta_ns, const Bytes& bytes) {
    // struct ring_buffer_event: type_len:5, time_delta:27
    append(entries_, std::endian::native == std::endian::little ? delta_ns << 5U | type
                                                                : type << 27U | delta_ns);
    append(entries_, bytes.data(), bytes.size());
    return *this;
}

PageBuilder& PageBuilder::record(std::uint32_t delta_ns, const Bytes& bytes) {
    if (bytes.empty() || bytes.size() > 28UL * 4) {
        return long_record(delta_ns, bytes);
    }
    Bytes padded = bytes;
    padded.resize((bytes.size() + 3) & ~std::size_t{3});
    return raw(static_cast<std::uint32_t>(padded.size() / 4), delta_ns, padded);
}

PageBuilder& PageBuilder::long_record(std::uint32_t delta_ns, const Bytes& bytes) {
    Bytes payload;
    append(payload, static_cast<std::uint32_t>(bytes.size() + 4));
    append(payload, bytes.data(), bytes.size());
    payload.resize((payload.size() + 3) & ~std::size_t{3});
    return raw(0, delta_ns, payload);
}

PageBuilder& PageBuilder::time_extend(std::uint64_t delta_ns) {
    Bytes upper;
    append(upper, static_cast<std::uint32_t>(delta_ns >> 27U));
    return raw(30, static_cast<std::uint32_t>(delta_ns & ((1U << 27U) - 1)), upper);
}

PageBuilder& PageBuilder::time_stamp(std::uint64_t time_ns) {
    Bytes upper;
    append(upper, static_cast<std::uint32_t>(time_ns >> 27U));
    return raw(31, static_cast<std::uint32_t>(time_ns & ((1U << 27U) - 1)), upper);
}

PageBuilder& PageBuilder::discarded(std::uint32_t delta_ns, std::uint32_t payload) {
    Bytes rest;
    append(rest, payload + 4);
    rest.resize(std::size_t{payload} + 4);
    return raw(29, delta_ns, rest);
}

PageBuilder& PageBuilder::missed(std::optional<std::uint64_t> count) {
    missed_ = true;
    missed_count_ = count;
    return *this;
}

PageBuilder& PageBuilder::commit(std::uint64_t word) {
    commit_ = word;
    return *this;
}

Bytes PageBuilder::bytes() const {
    Bytes page;
    append(page, time_ns_);
    std::uint64_t word = entries_.size();
    if (missed_) {
        word |= missed_count_ ? 1U << 30U : 0;
        word |= ~std::uint64_t{0} << 31U; // the kernel adds a negative int
    }
    append(page, commit_.value_or(word));
    append(page, entries_.data(), entries_.size());
    if (missed_count_) {
        append(page, *missed_count_);
    }
    page.resize(page_shape.page_size);
    return page;
}

PagePipe::PagePipe() {
    int ends[2]; // O_DIRECT: what is written at once is read at once
    if (::pipe2(ends, O_DIRECT | O_NONBLOCK | O_CLOEXEC) != 0) {
        throw std::system_error(errno, std::generic_category(), "pipe2");
    }
    reading_.reset(ends[0]);
    writing_.reset(ends[1]);
}

void PagePipe::write(std::span<const std::byte> page) const {
    if (::write(writing_.get(), page.data(), page.size()) != static_cast<ssize_t>(page.size())) {
        throw std::system_error(errno, std::generic_category(), "write");
    }
}

std::vector<Bytes> pages_of(const std::string& path) {
    std::ifstream stream(path, std::ios::binary);
    const std::string all{std::istreambuf_iterator<char>(stream), {}};
    std::vector<Bytes> pages;
    for (std::size_t at = 0; at < all.size(); at += page_shape.page_size) {
        Bytes page(page_shape.page_size);
        std::memcpy(page.data(), all.data() + at, std::min(page.size(), all.size() - at));
        pages.push_back(std::move(page));
    }
    return pages;
}

std::optional<std::vector<PageRecord>> records_of(std::span<const std::byte> bytes) {
    trace::Page page(page_shape);
    if (!page.load(bytes)) {
        return std::nullopt;
    }
    std::vector<PageRecord> records;
    for (; page.has_record(); page.next()) {
        const auto record = page.record();
        records.push_back({.time_ns = page.time_ns(), .bytes = {record.begin(), record.end()}});
    }
    return records;
}

} // namespace rseq::test
