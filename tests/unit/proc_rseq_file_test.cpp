// SPDX-License-Identifier: GPL-2.0-or-later
#include "proc/rseq_file.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>

using namespace rseq;
using namespace rseq::proc;
using namespace std::string_literals;

namespace {

const std::string& thread_text() {
    static const std::string text =
        "Version:\t2\nLength:\t33\nSlice:\tenabled\nPolicy:\tauto allow\n";
    return text;
}
const std::string& process_text() {
    static const std::string text =
        "Threads:\t12\nUnregistered:\t1\nV1:\t3\nV2:\t8\n"
        "Slice_enabled:\t3\nSlice_granted:\t1523\nSlice_yielded:\t1490\n"
        "Slice_syscall:\t2\nSlice_expired:\t21\nSlice_revoked:\t10\n"
        "Policy:\tlegacy deny\n";
    return text;
}

std::string replaced(std::string text, const std::string& from, const std::string& to) {
    const std::size_t at = text.find(from);
    EXPECT_NE(at, std::string::npos) << from;
    return text.replace(at, from.size(), to);
}

int thread_code(std::string_view text) {
    const auto thread = parse_thread_rseq(text);
    return thread ? 0 : thread.error().code;
}

int process_code(std::string_view text) {
    const auto process = parse_process_rseq(text);
    return process ? 0 : process.error().code;
}

} // namespace

TEST(ThreadRseq, HasTheRegistrationAndThePolicy) {
    const auto thread = parse_thread_rseq(thread_text());
    ASSERT_TRUE(thread) << thread.error().message();
    EXPECT_EQ(thread->registration,
              (Registration{
                  .registered = true, .length = 33, .version = 2, .slice = SliceState::enabled}));
    EXPECT_EQ(thread->policy, Policy{});
}

TEST(ThreadRseq, OfVersion0IsNotRegistered) {
    const auto thread =
        parse_thread_rseq("Version:\t0\nLength:\t0\nSlice:\tunavailable\nPolicy:\toff deny\n");
    ASSERT_TRUE(thread);
    EXPECT_FALSE(thread->registration.registered);
    EXPECT_EQ(thread->registration.slice, SliceState::unavailable);
    EXPECT_EQ(thread->policy, (Policy{PolicyMode::off, PolicySlice::deny}));
}

TEST(ThreadRseq, NeedsTheVersionAlone) {
    const auto thread = parse_thread_rseq("Version:\t1\n");
    ASSERT_TRUE(thread);
    EXPECT_EQ(thread->registration, (Registration{.registered = true, .length = 0, .version = 1}));
    EXPECT_EQ(thread->policy, std::nullopt);
    EXPECT_EQ(thread_code("Length:\t32\n"), EPROTO);
}

TEST(ThreadRseq, MayHaveKeysAndWordsThatALaterKernelAdds) {
    const auto thread = parse_thread_rseq("Flavour:\tnew\nVersion:\t3\nLength:\t40\nversion:\t1\n"
                                          "Slice:\tlent\nPolicy:\tauto allow quickly\nNoColon\n\n");
    ASSERT_TRUE(thread);
    EXPECT_EQ(thread->registration, (Registration{.registered = true, .length = 40, .version = 3}));
    EXPECT_EQ(thread->policy, std::nullopt);
}

TEST(ThreadRseq, MayHaveItsKeysInAnyOrder) {
    const auto thread = parse_thread_rseq("Slice:\tdenied\nLength:\t33\nVersion:\t2\n");
    ASSERT_TRUE(thread);
    EXPECT_EQ(thread->registration.slice, SliceState::denied);
    EXPECT_EQ(thread->registration.version, std::uint8_t{2});
}

TEST(ThreadRseq, WithAKeyTwiceIsRefused) {
    for (const std::string line : {"Version:\t2\n", "Length:\t33\n", "Slice:\tenabled\n",
                                   "Policy:\tauto allow\n", "Version:\t1\n"}) {
        EXPECT_EQ(thread_code(thread_text() + line), EPROTO) << line;
    }
}

TEST(ThreadRseq, WithABadNumberIsRefused) {
    for (const std::string& bad : {""s, "-1"s, "256"s, "2x"s, "two"s, "2.0"s, "0x2"s,
                                   "99999999999999999999"s, "2\t2"s, "2\0"s}) {
        EXPECT_EQ(thread_code("Version:\t" + bad + "\n"), EPROTO) << bad;
    }
    EXPECT_EQ(thread_code("Version:\t1\nLength:\t4294967296\n"), EPROTO);
    EXPECT_EQ(thread_code("Version:\t1\nLength:\t\n"), EPROTO);
    EXPECT_EQ(thread_code("Version:\t1\nLength:\t4294967295\n"), 0);
}

TEST(ThreadRseq, CutOffAnywhereBeforeTheEndOfALineIsRefused) {
    for (std::size_t length = 0; length < thread_text().size(); length++) {
        const std::string_view text = std::string_view(thread_text()).substr(0, length);
        if (length == 0 || text.back() != '\n') {
            EXPECT_EQ(thread_code(text), EPROTO) << text;
        }
    }
}

TEST(ThreadRseq, ThatIsNoSuchFileIsRefused) {
    EXPECT_EQ(thread_code(""), EPROTO);
    EXPECT_EQ(thread_code("\n"), EPROTO);
    EXPECT_EQ(thread_code(std::string(4096, '\0')), EPROTO);
    EXPECT_EQ(thread_code("\x7f"
                          "ELF\xff\xfe\n"),
              EPROTO);
    EXPECT_EQ(thread_code(std::string(100000, ':') + "\n"), EPROTO);
    EXPECT_EQ(thread_code(" Version:\t2\n"), EPROTO);
}

TEST(ProcessRseq, HasTheThreadsByModeAndTheSlices) {
    const auto process = parse_process_rseq(process_text());
    ASSERT_TRUE(process) << process.error().message();
    EXPECT_EQ(process->threads, (ModeCounts{.v1 = 3, .v2 = 8, .none = 1}));
    EXPECT_EQ(process->slice_enabled, 3U);
    EXPECT_EQ(process->slices.granted, 1523U);
    EXPECT_EQ(process->slices.yielded, 1490U);
    EXPECT_EQ(process->slices.syscall, 2U);
    EXPECT_EQ(process->slices.expired, 21U);
    EXPECT_EQ(process->slices.revoked, 10U);
    EXPECT_EQ(process->policy, (Policy{PolicyMode::legacy, PolicySlice::deny}));
}

TEST(ProcessRseq, NeedsEveryCount) {
    for (const std::string key :
         {"Threads", "Unregistered", "V1", "V2", "Slice_enabled", "Slice_granted", "Slice_yielded",
          "Slice_syscall", "Slice_expired", "Slice_revoked"}) {
        const std::string other = "X" + key;
        EXPECT_EQ(process_code(replaced('\n' + process_text(), '\n' + key, '\n' + other)), EPROTO)
            << key;
    }
    EXPECT_EQ(process_code(replaced(process_text(), "Policy", "Guideline")), 0);
}

TEST(ProcessRseq, WhoseCountsDoNotAddUpIsRefused) {
    EXPECT_EQ(process_code(replaced(process_text(), "V2:\t8", "V2:\t9")), EPROTO);
    EXPECT_EQ(process_code(replaced(process_text(), "Threads:\t12", "Threads:\t11")), EPROTO);
    EXPECT_EQ(process_code(replaced(process_text(), "Threads:\t12", "Threads:\t0")), EPROTO);
}

TEST(ProcessRseq, WhoseCountsAddUpOnlyIn32BitsIsRefused) {
    // 4294967295 + 1 + 12 is 12 in 32 bits
    std::string text = replaced(process_text(), "V1:\t3", "V1:\t4294967295");
    text = replaced(text, "V2:\t8", "V2:\t12");
    EXPECT_EQ(process_code(text), EPROTO);
}

TEST(ProcessRseq, HoldsCountsAtTheirLimits) {
    const std::string most = std::to_string(std::numeric_limits<std::uint64_t>::max());
    const auto process = parse_process_rseq(
        replaced(process_text(), "Slice_granted:\t1523", "Slice_granted:\t" + most));
    ASSERT_TRUE(process);
    EXPECT_EQ(process->slices.granted, std::numeric_limits<std::uint64_t>::max());
    EXPECT_EQ(process_code(replaced(process_text(), "Slice_granted:\t1523",
                                    "Slice_granted:\t18446744073709551616")),
              EPROTO);
    EXPECT_EQ(
        process_code(replaced(process_text(), "Slice_enabled:\t3", "Slice_enabled:\t4294967296")),
        EPROTO);
}

TEST(ProcessRseq, OfAProcessThatHasEndedHasNoThreads) {
    const auto process = parse_process_rseq(
        "Threads:\t0\nUnregistered:\t0\nV1:\t0\nV2:\t0\nSlice_enabled:\t0\nSlice_granted:\t0\n"
        "Slice_yielded:\t0\nSlice_syscall:\t0\nSlice_expired:\t0\nSlice_revoked:\t0\n");
    ASSERT_TRUE(process);
    EXPECT_EQ(process->threads.process_mode(), Mode::unknown);
}

TEST(ProcessRseq, WithAKeyTwiceOrABadNumberIsRefused) {
    EXPECT_EQ(process_code(process_text() + "V1:\t3\n"), EPROTO);
    EXPECT_EQ(process_code(replaced(process_text(), "V1:\t3", "V1:\t-3")), EPROTO);
    EXPECT_EQ(process_code(replaced(process_text(), "V1:\t3", "V1:\t")), EPROTO);
    EXPECT_EQ(process_code(replaced(process_text(), "Slice_expired:\t21", "Slice_expired:\t2 1")),
              EPROTO);
}

TEST(ProcessRseq, CutOffAnywhereBeforeThePolicyIsRefused) {
    const std::size_t policy = process_text().find("Policy");
    for (std::size_t length = 0; length < policy; length++) {
        EXPECT_EQ(process_code(std::string_view(process_text()).substr(0, length)), EPROTO)
            << length;
    }
}

TEST(ProcessRseq, IsNotTheFileOfAThread) {
    EXPECT_EQ(process_code(thread_text()), EPROTO);
    EXPECT_EQ(thread_code(process_text()), EPROTO);
}
