// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include "trace/decoder.h"
#include "trace_pages.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <variant>

namespace rseq::test {

/// Of the formats of a recorded kernel.
inline trace::Decoder decoder_of(const std::string& kernel) {
    auto decoder = trace::Decoder::load(recorded_events(kernel).get());
    EXPECT_TRUE(decoder) << decoder.error().message();
    return std::move(*decoder);
}

/// The payload of the only event that the record is, which is of thread 42.
template <class Payload>
std::optional<Payload> decode(trace::Decoder& decoder, const EventRecord& record) {
    Event event;
    const trace::Verdict verdict = decoder.decode(1000, record.bytes(), event);
    EXPECT_EQ(verdict, trace::Verdict::event);
    if (verdict != trace::Verdict::event || !std::holds_alternative<Payload>(event.payload)) {
        return std::nullopt;
    }
    EXPECT_EQ(event.time_ns, 1000U);
    EXPECT_EQ(event.tid, 42);
    return std::get<Payload>(event.payload);
}

inline trace::Verdict verdict_of(trace::Decoder& decoder, std::span<const std::byte> record) {
    Event event;
    return decoder.decode(0, record, event);
}

} // namespace rseq::test
