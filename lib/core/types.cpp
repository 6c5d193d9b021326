// SPDX-License-Identifier: GPL-2.0-or-later
#include "core/types.h"

#include "core/parse.h"

#include <array>
#include <utility>

namespace rseq {

namespace {

template <class Enum, std::size_t N>
using Words = std::array<std::pair<Enum, std::string_view>, N>;

constexpr Words<Mode, 5> mode_words{{{Mode::none, "none"},
                                     {Mode::v1, "v1"},
                                     {Mode::v2, "v2"},
                                     {Mode::mixed, "mixed"},
                                     {Mode::unknown, "unknown"}}};
constexpr Words<Evidence, 5> evidence_words{{{Evidence::procfs, "procfs"},
                                             {Evidence::bpf, "bpf"},
                                             {Evidence::trace, "trace"},
                                             {Evidence::ptrace, "ptrace"},
                                             {Evidence::none, "none"}}};
constexpr Words<SliceState, 5> slice_words{{{SliceState::unknown, "unknown"},
                                            {SliceState::unavailable, "unavailable"},
                                            {SliceState::denied, "denied"},
                                            {SliceState::available, "available"},
                                            {SliceState::enabled, "enabled"}}};
constexpr Words<KernelClass, 5> class_words{{{KernelClass::unknown, "unknown"},
                                             {KernelClass::unsupported, "unsupported"},
                                             {KernelClass::historical, "historical"},
                                             {KernelClass::broken, "broken"},
                                             {KernelClass::dual, "dual"}}};
constexpr Words<PolicyMode, 3> policy_mode_words{
    {{PolicyMode::automatic, "auto"}, {PolicyMode::legacy, "legacy"}, {PolicyMode::off, "off"}}};
constexpr Words<PolicySlice, 2> policy_slice_words{
    {{PolicySlice::allow, "allow"}, {PolicySlice::deny, "deny"}}};

template <class Enum, std::size_t N>
std::string_view word_of(const Words<Enum, N>& words, Enum value) {
    for (const auto& [candidate, word] : words) {
        if (candidate == value) {
            return word;
        }
    }
    return "invalid";
}

template <class Enum, std::size_t N>
std::optional<Enum> value_of(const Words<Enum, N>& words, std::string_view text) {
    for (const auto& [value, word] : words) {
        if (word == text) {
            return value;
        }
    }
    return std::nullopt;
}

} // namespace

std::string_view to_string(Mode mode) {
    return word_of(mode_words, mode);
}
std::string_view to_string(Evidence evidence) {
    return word_of(evidence_words, evidence);
}
std::string_view to_string(SliceState state) {
    return word_of(slice_words, state);
}
std::string_view to_string(KernelClass kernel_class) {
    return word_of(class_words, kernel_class);
}
std::string_view to_string(PolicyMode mode) {
    return word_of(policy_mode_words, mode);
}
std::string_view to_string(PolicySlice slice) {
    return word_of(policy_slice_words, slice);
}

std::string to_string(const Policy& policy) {
    std::string text(to_string(policy.mode));
    text += ' ';
    text += to_string(policy.slice);
    return text;
}

std::optional<Mode> parse_mode(std::string_view text) {
    return value_of(mode_words, text);
}

std::optional<Evidence> parse_evidence(std::string_view text) {
    return value_of(evidence_words, text);
}

std::optional<SliceState> parse_slice_state(std::string_view text) {
    return value_of(slice_words, text);
}

std::optional<KernelClass> parse_kernel_class(std::string_view text) {
    return value_of(class_words, text);
}

std::optional<Policy> parse_policy(std::string_view text) {
    const auto mode = value_of(policy_mode_words, take_until(text, ' '));
    const auto slice = value_of(policy_slice_words, text);
    if (!mode || !slice) {
        return std::nullopt;
    }
    return Policy{*mode, *slice};
}

void ModeCounts::add(Mode mode, std::uint32_t threads) {
    switch (mode) {
    case Mode::v1:
        v1 += threads;
        break;
    case Mode::v2:
        v2 += threads;
        break;
    case Mode::none:
        none += threads;
        break;
    case Mode::mixed: // not a mode of a thread
    case Mode::unknown:
        unknown += threads;
        break;
    }
}

Mode ModeCounts::process_mode() const {
    if (v1 > 0 && v2 > 0) {
        return Mode::mixed;
    }
    if (unknown > 0 || total() == 0) {
        return Mode::unknown;
    }
    if (v1 > 0) {
        return Mode::v1;
    }
    return v2 > 0 ? Mode::v2 : Mode::none;
}

Mode judge(const Registration& registration, KernelClass kernel_class) {
    if (!registration.registered) {
        return Mode::none;
    }
    switch (kernel_class) {
    case KernelClass::historical:
        return Mode::v1;
    case KernelClass::broken:
        return Mode::v2;
    case KernelClass::dual:
        if (registration.version) {
            return *registration.version == 1   ? Mode::v1
                   : *registration.version == 2 ? Mode::v2
                                                : Mode::unknown;
        }
        if (registration.length == 0) {
            return Mode::unknown;
        }
        return registration.length <= original_length ? Mode::v1 : Mode::v2;
    case KernelClass::unknown:
    case KernelClass::unsupported:
        break;
    }
    // Only a dual kernel ever says 2.
    return registration.version == std::uint8_t{2} ? Mode::v2 : Mode::unknown;
}

} // namespace rseq
