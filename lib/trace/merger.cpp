// SPDX-License-Identifier: GPL-2.0-or-later
#include "trace/merger.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <span>
#include <string>
#include <utility>

namespace rseq::trace {

void Merger::add(Pipe pipe) {
    streams_.push_back(Stream{.pipe = std::move(pipe),
                              .page = Page(shape_),
                              .buffer = std::vector<std::byte>(shape_.page_size)});
}

bool Merger::pending() const {
    return std::any_of(streams_.begin(), streams_.end(),
                       [](const Stream& stream) { return stream.page.has_record(); });
}

Result<void> Merger::refill(Stream& stream, Merged& merged) {
    while (!stream.page.has_record() && !stream.exhausted) {
        const ssize_t n = ::read(stream.pipe.fd.get(), stream.buffer.data(), stream.buffer.size());
        if (n < 0 && errno == EINTR) {
            continue;
        }
        // Normally EAGAIN. But once any descriptor of this pipe has been closed, such as the one
        // that a child got by fork(2) and closed by execve(2), the kernel says end of file instead,
        // and goes on to deliver.
        if (n == 0 || (n < 0 && errno == EAGAIN)) {
            stream.exhausted = true;
            return {};
        }
        if (n < 0) {
            return fail_errno("cannot read the trace of CPU " + std::to_string(stream.pipe.cpu));
        }
        const auto bytes = std::span(stream.buffer).first(static_cast<std::size_t>(n));
        if (!stream.page.load(bytes)) {
            ++merged.malformed;
            // Whatever it had to tell of missing records is not known now.
            merged.missed.push_back({.cpu = stream.pipe.cpu, .at_least = 0});
        } else if (const std::uint64_t missed = stream.page.missed().value_or(1); missed > 0) {
            merged.missed.push_back({.cpu = stream.pipe.cpu, .at_least = missed});
        }
    }
    return {};
}

Result<Merger::Merged> Merger::merge(Decoder& decoder, std::uint64_t horizon_ns,
                                     std::size_t batch) {
    Merged merged;
    for (Stream& stream : streams_) {
        stream.exhausted = false;
    }
    while (merged.events.size() < batch) {
        Stream* first = nullptr;
        std::uint64_t until = horizon_ns; // nothing of another CPU is older
        for (Stream& stream : streams_) {
            if (auto refilled = refill(stream, merged); !refilled) {
                return tl::unexpected<Error>(refilled.error());
            }
            if (!stream.page.has_record()) {
                continue;
            }
            if (first == nullptr || stream.page.time_ns() < first->page.time_ns()) {
                if (first != nullptr) {
                    until = std::min(until, first->page.time_ns());
                }
                first = &stream;
            } else {
                until = std::min(until, stream.page.time_ns());
            }
        }
        if (first == nullptr || first->page.time_ns() > horizon_ns) {
            break;
        }
        // Records come in runs of one CPU.
        for (Page& page = first->page;
             page.has_record() && page.time_ns() <= until && merged.events.size() < batch;
             page.next()) {
            Event& event = merged.events.emplace_back();
            const Verdict verdict = decoder.decode(page.time_ns(), page.record(), event);
            if (verdict == Verdict::event) {
                continue;
            }
            merged.events.pop_back();
            merged.malformed += verdict == Verdict::malformed ? 1 : 0;
            merged.ignored += verdict == Verdict::ignored ? 1 : 0;
        }
    }
    return merged;
}

} // namespace rseq::trace
