// SPDX-License-Identifier: GPL-2.0-or-later
#include "trace/decoder.h"

#include "core/file.h"

#include <cerrno>
#include <string>
#include <utility>

namespace rseq::trace {

namespace {

constexpr std::size_t format_limit = 64UL * 1024; // the kernel's are below 4 KiB

} // namespace

Result<Decoder> Decoder::load(int events_dir) {
    Decoder decoder;
    std::string text;
    if (auto read = read_file(events_dir, "header_page", format_limit, text); !read) {
        return tl::unexpected<Error>(read.error());
    }
    auto shape = parse_header_page(text);
    if (!shape) {
        return tl::unexpected<Error>(shape.error());
    }
    decoder.page_shape_ = *shape;
    for (const KnownEvent& known : known_events()) {
        const std::string path = std::string(known.system) + "/" + known.name + "/format";
        if (auto read = read_file(events_dir, path.c_str(), format_limit, text); !read) {
            if (read.error().code == ENOENT) {
                continue;
            }
            return tl::unexpected<Error>(read.error());
        }
        if (auto added = decoder.add(known, text); !added) {
            return fail(added.error().code, path + ": " + added.error().context);
        }
    }
    return decoder;
}

Result<void> Decoder::add(const KnownEvent& known, std::string_view format_text) {
    auto format = Format::parse(format_text, known.system);
    if (!format) {
        return tl::unexpected<Error>(format.error());
    }
    // The same in all events.
    type_ = format->number("common_type");
    tid_ = format->number("common_pid");
    auto type = make_record_type(known.kind, *format);
    if (!type) {
        return tl::unexpected<Error>(type.error());
    }
    if (types_.size() <= format->id()) {
        types_.resize(std::size_t{format->id()} + 1);
    }
    types_[format->id()] = std::move(*type);
    has_[static_cast<std::size_t>(known.kind)] = true;
    return {};
}

EventSource Decoder::source() const {
    if (has(Kind::rseq_register)) {
        return EventSource::rseq;
    }
    if (has(Kind::syscall_enter) && has(Kind::syscall_exit)) {
        return EventSource::syscalls;
    }
    return EventSource::none;
}

Verdict Decoder::decode(std::uint64_t time_ns, std::span<const std::byte> bytes, Event& event) {
    Record record(bytes);
    const auto id = record.number<std::uint16_t>(type_);
    event.time_ns = time_ns;
    event.tid = record.number<pid_t>(tid_);
    if (record.malformed()) {
        return Verdict::malformed;
    }
    if (id >= types_.size() || types_[id] == nullptr) {
        return Verdict::ignored;
    }
    const Verdict verdict = types_[id]->decode(record, calls_, event);
    return record.malformed() ? Verdict::malformed : verdict;
}

} // namespace rseq::trace
