// SPDX-License-Identifier: GPL-2.0-or-later
#include "core/types.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <optional>
#include <string_view>

using namespace rseq;

namespace {

constexpr KernelClass all_classes[] = {KernelClass::unknown, KernelClass::unsupported,
                                       KernelClass::historical, KernelClass::broken,
                                       KernelClass::dual};

Registration registered(std::uint32_t length, std::optional<std::uint8_t> version = std::nullopt) {
    return {.registered = true, .length = length, .version = version};
}

} // namespace

TEST(Judge, AThreadWithoutRegistrationHasNoModeOnAnyKernel) {
    for (const KernelClass kernel_class : all_classes) {
        EXPECT_EQ(judge(Registration{}, kernel_class), Mode::none);
        EXPECT_EQ(judge(Registration{.version = std::uint8_t{0}}, kernel_class), Mode::none);
    }
}

TEST(Judge, OnAHistoricalKernelEveryLengthIsV1) {
    EXPECT_EQ(judge(registered(32), KernelClass::historical), Mode::v1);
    EXPECT_EQ(judge(registered(33), KernelClass::historical), Mode::v1);
    EXPECT_EQ(judge(registered(0), KernelClass::historical), Mode::v1);
}

TEST(Judge, OnABrokenKernelEveryLengthIsOptimizedWhateverItsFlagSays) {
    EXPECT_EQ(judge(registered(32), KernelClass::broken), Mode::v2);
    EXPECT_EQ(judge(registered(32, std::uint8_t{1}), KernelClass::broken), Mode::v2);
}

TEST(Judge, OnADualKernelTheKernelsOwnWordCountsBeforeTheLength) {
    EXPECT_EQ(judge(registered(33, std::uint8_t{1}), KernelClass::dual), Mode::v1);
    EXPECT_EQ(judge(registered(33, std::uint8_t{2}), KernelClass::dual), Mode::v2);
    EXPECT_EQ(judge(registered(0, std::uint8_t{2}), KernelClass::dual), Mode::v2);
}

TEST(Judge, OnADualKernelMoreThan32BytesAreV2) {
    EXPECT_EQ(judge(registered(32), KernelClass::dual), Mode::v1);
    EXPECT_EQ(judge(registered(33), KernelClass::dual), Mode::v2);
    EXPECT_EQ(judge(registered(UINT32_MAX), KernelClass::dual), Mode::v2);
}

TEST(Judge, WhatADualKernelDoesNotSayIsUnknown) {
    EXPECT_EQ(judge(registered(0), KernelClass::dual), Mode::unknown);
    EXPECT_EQ(judge(registered(33, std::uint8_t{0}), KernelClass::dual), Mode::unknown);
    EXPECT_EQ(judge(registered(33, std::uint8_t{3}), KernelClass::dual), Mode::unknown);
    EXPECT_EQ(judge(registered(33, std::uint8_t{255}), KernelClass::dual), Mode::unknown);
}

TEST(Judge, OnAKernelOfUnknownClassOnlyTheWordV2IsBelieved) {
    for (const KernelClass kernel_class : {KernelClass::unknown, KernelClass::unsupported}) {
        EXPECT_EQ(judge(registered(32), kernel_class), Mode::unknown);
        EXPECT_EQ(judge(registered(33), kernel_class), Mode::unknown);
        EXPECT_EQ(judge(registered(32, std::uint8_t{1}), kernel_class), Mode::unknown);
        EXPECT_EQ(judge(registered(33, std::uint8_t{2}), kernel_class), Mode::v2);
    }
}

TEST(ProcessMode, IsTheModeThatAllThreadsShare) {
    EXPECT_EQ((ModeCounts{.v1 = 3}.process_mode()), Mode::v1);
    EXPECT_EQ((ModeCounts{.v2 = 3}.process_mode()), Mode::v2);
    EXPECT_EQ((ModeCounts{.none = 3}.process_mode()), Mode::none);
    EXPECT_EQ((ModeCounts{.unknown = 3}.process_mode()), Mode::unknown);
}

TEST(ProcessMode, IsUnknownWithoutThreads) {
    EXPECT_EQ(ModeCounts{}.process_mode(), Mode::unknown);
}

TEST(ProcessMode, ThreadsThatHaveNotRegisteredDoNotMakeAProcessMixed) {
    EXPECT_EQ((ModeCounts{.v1 = 1, .none = 5}.process_mode()), Mode::v1);
    EXPECT_EQ((ModeCounts{.v2 = 1, .none = 5}.process_mode()), Mode::v2);
}

TEST(ProcessMode, V1BesideV2IsMixedEvenIfOthersAreUnknown) {
    EXPECT_EQ((ModeCounts{.v1 = 1, .v2 = 1}.process_mode()), Mode::mixed);
    EXPECT_EQ((ModeCounts{.v1 = 1, .v2 = 1, .none = 1, .unknown = 1}.process_mode()), Mode::mixed);
}

TEST(ProcessMode, OneUnknownThreadMakesTheProcessUnknown) {
    EXPECT_EQ((ModeCounts{.v1 = 9, .unknown = 1}.process_mode()), Mode::unknown);
    EXPECT_EQ((ModeCounts{.v2 = 9, .unknown = 1}.process_mode()), Mode::unknown);
    EXPECT_EQ((ModeCounts{.none = 9, .unknown = 1}.process_mode()), Mode::unknown);
}

TEST(ModeCounts, CountEachThreadUnderItsMode) {
    ModeCounts counts;
    counts.add(Mode::v1);
    counts.add(Mode::v2, 2);
    counts.add(Mode::none, 3);
    counts.add(Mode::unknown, 4);
    EXPECT_EQ(counts, (ModeCounts{.v1 = 1, .v2 = 2, .none = 3, .unknown = 4}));
    EXPECT_EQ(counts.total(), 10U);
}

TEST(ModeCounts, AThreadThatIsSaidToBeMixedIsUnknown) {
    ModeCounts counts;
    counts.add(Mode::mixed);
    EXPECT_EQ(counts, ModeCounts{.unknown = 1});
}

TEST(Words, AreThoseOfTheProcFilesAndTheTable) {
    EXPECT_EQ(to_string(Mode::none), "none");
    EXPECT_EQ(to_string(Mode::v1), "v1");
    EXPECT_EQ(to_string(Mode::v2), "v2");
    EXPECT_EQ(to_string(Mode::mixed), "mixed");
    EXPECT_EQ(to_string(Mode::unknown), "unknown");
    EXPECT_EQ(to_string(Evidence::procfs), "procfs");
    EXPECT_EQ(to_string(Evidence::bpf), "bpf");
    EXPECT_EQ(to_string(Evidence::trace), "trace");
    EXPECT_EQ(to_string(Evidence::ptrace), "ptrace");
    EXPECT_EQ(to_string(Evidence::none), "none");
    EXPECT_EQ(to_string(KernelClass::unknown), "unknown");
    EXPECT_EQ(to_string(KernelClass::unsupported), "unsupported");
    EXPECT_EQ(to_string(KernelClass::historical), "historical");
    EXPECT_EQ(to_string(KernelClass::broken), "broken");
    EXPECT_EQ(to_string(KernelClass::dual), "dual");
    EXPECT_EQ(to_string(SliceState::unknown), "unknown");
    EXPECT_EQ(to_string(SliceState::unavailable), "unavailable");
    EXPECT_EQ(to_string(SliceState::denied), "denied");
    EXPECT_EQ(to_string(SliceState::available), "available");
    EXPECT_EQ(to_string(SliceState::enabled), "enabled");
}

TEST(Words, AreReadBack) {
    for (const Evidence evidence :
         {Evidence::procfs, Evidence::bpf, Evidence::trace, Evidence::ptrace, Evidence::none}) {
        EXPECT_EQ(parse_evidence(to_string(evidence)), evidence);
    }
    for (const KernelClass kernel_class : all_classes) {
        EXPECT_EQ(parse_kernel_class(to_string(kernel_class)), kernel_class);
    }
    for (const Mode mode : {Mode::none, Mode::v1, Mode::v2, Mode::mixed, Mode::unknown}) {
        EXPECT_EQ(parse_mode(to_string(mode)), mode);
    }
    for (const SliceState state : {SliceState::unknown, SliceState::unavailable, SliceState::denied,
                                   SliceState::available, SliceState::enabled}) {
        EXPECT_EQ(parse_slice_state(to_string(state)), state);
    }
}

TEST(Words, ThatAreNotExactlyOursAreNotUnderstood) {
    for (const std::string_view word : {"", "V1", "v1 ", " v1", "v", "v11", "legacy"}) {
        EXPECT_EQ(parse_mode(word), std::nullopt) << word;
    }
    for (const std::string_view word : {"", "Enabled", "enabled\n", "enable"}) {
        EXPECT_EQ(parse_slice_state(word), std::nullopt) << word;
    }
    EXPECT_EQ(parse_evidence("-"), std::nullopt);
    EXPECT_EQ(parse_kernel_class("quad"), std::nullopt);
}

TEST(Words, OfAPolicyAreTwo) {
    for (const PolicyMode mode : {PolicyMode::automatic, PolicyMode::legacy, PolicyMode::off}) {
        for (const PolicySlice slice : {PolicySlice::allow, PolicySlice::deny}) {
            const Policy policy{mode, slice};
            EXPECT_EQ(parse_policy(to_string(policy)), policy);
        }
    }
    EXPECT_EQ(to_string(Policy{}), "auto allow");
    EXPECT_EQ(to_string(Policy{PolicyMode::legacy, PolicySlice::deny}), "legacy deny");
    for (const std::string_view text : {"", "auto", "auto ", " allow", "auto  allow", "allow auto",
                                        "auto allow deny", "auto\tallow", "automatic allow"}) {
        EXPECT_EQ(parse_policy(text), std::nullopt) << text;
    }
}

TEST(ProcessKey, DiffersWhenANumberIsUsedAgain) {
    EXPECT_NE((ProcessKey{42, 1000}), (ProcessKey{42, 1001}));
    EXPECT_EQ((ProcessKey{42, 1000}), (ProcessKey{42, 1000}));
    EXPECT_LT((ProcessKey{42, 1000}), (ProcessKey{43, 1}));
}
