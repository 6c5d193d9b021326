// SPDX-License-Identifier: GPL-2.0-or-later
#include "core/violation.h"

#include "core/escape.h"

#include <algorithm>
#include <array>
#include <charconv>

namespace rseq {

namespace {

/// Which of the two values says something.
enum class Values : std::uint8_t { both, found };

struct Wording {
    std::string_view reason;
    std::string_view clause;
    Values values;
};

constexpr std::array<Wording, 12> wordings{{
    {"cpu_id_start", "cpu_id_start overwritten", Values::both},
    {"cpu_id", "cpu_id overwritten", Values::both},
    {"node_id", "node_id overwritten", Values::both},
    {"mm_cid", "mm_cid overwritten", Values::both},
    {"cs_address", "rseq_cs does not point into user space", Values::found},
    {"cs_descriptor", "invalid critical section descriptor", Values::found},
    {"abort_ip", "invalid abort address", Values::found},
    {"signature", "wrong signature before the abort address", Values::both},
    {"slice_ctrl", "slice_ctrl overwritten", Values::both},
    {"slice_flags", "flags overwritten", Values::both},
    {"fault", "rseq area cannot be accessed", Values::found},
    {"syscall_in_cs", "system call within a critical section", Values::found},
}};

/// CPU and node numbers as people write them, everything else, marks above all, as hexadecimal.
std::string value_text(std::uint64_t value) {
    constexpr std::uint64_t largest_id = 0xffff;
    std::array<char, 24> digits{};
    const bool decimal = value <= largest_id;
    const auto end =
        std::to_chars(digits.data(), digits.data() + digits.size(), value, decimal ? 10 : 16).ptr;
    return (decimal ? "" : "0x") + std::string(digits.data(), end);
}

} // namespace

std::vector<std::string_view> violation_reasons() {
    std::vector<std::string_view> reasons;
    for (const Wording& wording : wordings) {
        reasons.push_back(wording.reason);
    }
    return reasons;
}

std::string describe_violation(std::string_view reason, std::uint64_t expected,
                               std::uint64_t found) {
    const auto* wording =
        std::find_if(wordings.begin(), wordings.end(),
                     [&](const Wording& candidate) { return candidate.reason == reason; });
    const bool known = wording != wordings.end();
    std::string text = known ? std::string(wording->clause) : escape_untrusted(reason);
    text += " (";
    if (!known || wording->values == Values::both) {
        text += "expected " + value_text(expected) + ", found ";
    }
    text += value_text(found);
    text += ")";
    return text;
}

} // namespace rseq
