// SPDX-License-Identifier: GPL-2.0-or-later
// What the decoder makes of our events, and of the system call where there are none.
#include "trace_decoding.h"

#include <cerrno>
#include <iterator>
#include <set>

namespace rseq::test {
namespace {

using trace::Verdict;

EventRecord registration(std::uint64_t slice, std::int32_t ret) {
    return EventRecord("7.3", "rseq/rseq_register", 42)
        .set("tgid", std::uint64_t{41})
        .set("version", std::uint64_t{2})
        .set("len", std::uint64_t{33})
        .set("flags", std::uint64_t{2})
        .set("sig", std::uint64_t{0xf3053053})
        .set("slice", slice)
        .set("ret", static_cast<std::uint32_t>(ret));
}

TEST(Decoder, ARegistrationHasWhatTheKernelMadeOfIt) {
    auto decoder = decoder_of("7.3");
    const auto registered = decode<event::Registered>(decoder, registration(1, 0));
    ASSERT_TRUE(registered);
    EXPECT_EQ(registered->tgid, 41);
    EXPECT_EQ(registered->version, 2);
    EXPECT_EQ(registered->length, 33U);
    EXPECT_EQ(registered->flags, 2);
    EXPECT_EQ(registered->signature, 0xf3053053);
    EXPECT_EQ(registered->error, 0);
}

TEST(Decoder, ARefusedRegistrationHasItsErrno) {
    auto decoder = decoder_of("7.3");
    const auto registered = decode<event::Registered>(decoder, registration(0, -EBUSY));
    ASSERT_TRUE(registered);
    EXPECT_EQ(registered->error, EBUSY);
}

TEST(Decoder, TheSliceStateIsTheWordOfTheFormat) {
    auto decoder = decoder_of("7.3");
    const SliceState states[] = {SliceState::unavailable, SliceState::available,
                                 SliceState::enabled, SliceState::denied};
    for (std::uint64_t i = 0; i < std::size(states); ++i) {
        const auto registered = decode<event::Registered>(decoder, registration(i, 0));
        ASSERT_TRUE(registered);
        EXPECT_EQ(registered->slice, states[i]);
    }
    const auto later = decode<event::Registered>(decoder, registration(200, 0));
    ASSERT_TRUE(later);
    EXPECT_EQ(later->slice, SliceState::unknown);
}

TEST(Decoder, AnUnregistrationHasItsErrno) {
    auto decoder = decoder_of("7.3");
    const auto undone =
        decode<event::Unregistered>(decoder, EventRecord("7.3", "rseq/rseq_unregister", 42)
                                                 .set("tgid", std::uint64_t{41})
                                                 .set("ret", static_cast<std::uint32_t>(-EPERM))
                                                 .set("version", std::uint64_t{2}));
    ASSERT_TRUE(undone);
    EXPECT_EQ(undone->tgid, 41);
    EXPECT_EQ(undone->error, EPERM);
}

TEST(Decoder, ARecordThatIsTooShortForAnyOfItsFieldsIsMalformed) {
    auto decoder = decoder_of("7.3");
    const Bytes whole = registration(1, 0).bytes();
    EXPECT_EQ(verdict_of(decoder, whole), Verdict::event);
    for (std::size_t size = 0; size < whole.size(); ++size) {
        EXPECT_EQ(verdict_of(decoder, std::span(whole).first(size)), Verdict::malformed) << size;
    }
}

EventRecord violation(std::uint64_t reason) {
    return EventRecord("7.3", "rseq/rseq_violation", 42)
        .set("tgid", std::uint64_t{41})
        .set("version", std::uint64_t{2})
        .set("reason", reason)
        .set("expected", std::uint64_t{3})
        .set("found", std::uint64_t{0x80000003})
        .set("ip", std::uint64_t{0x7f0000001234});
}

TEST(Decoder, AViolationHasAllThatTheKernelSays) {
    auto decoder = decoder_of("7.3");
    const auto killed = decode<event::Violation>(decoder, violation(0));
    ASSERT_TRUE(killed);
    EXPECT_EQ(killed->tgid, 41);
    EXPECT_EQ(killed->version, 2);
    EXPECT_EQ(killed->expected, 3U);
    EXPECT_EQ(killed->found, 0x80000003U);
    EXPECT_EQ(killed->ip, 0x7f0000001234U);
}

TEST(Decoder, TheReasonsOfViolationsAreTheWordsOfTheAbi) {
    auto decoder = decoder_of("7.3");
    std::set<std::string> words;
    for (std::uint64_t reason = 0; reason < 20; ++reason) {
        const auto killed = decode<event::Violation>(decoder, violation(reason));
        ASSERT_TRUE(killed);
        words.insert(killed->reason);
    }
    for (const char* word :
         {"cpu_id_start", "cpu_id", "node_id", "mm_cid", "cs_address", "cs_descriptor", "abort_ip",
          "signature", "slice_ctrl", "slice_flags", "fault", "syscall_in_cs"}) {
        EXPECT_TRUE(words.contains(word)) << word;
    }
    EXPECT_TRUE(words.contains("19")) << "a reason that this kernel has no word for is its number";
}

TEST(Decoder, ALatchedPolicyIsTheWordsOfTheFormat) {
    auto decoder = decoder_of("7.3");
    const PolicyMode modes[] = {PolicyMode::automatic, PolicyMode::legacy, PolicyMode::off};
    for (std::uint64_t mode = 0; mode < 3; ++mode) {
        for (std::uint64_t slice = 0; slice < 2; ++slice) {
            const auto latched =
                decode<event::PolicyLatched>(decoder, EventRecord("7.3", "rseq/rseq_policy", 42)
                                                          .set("tgid", std::uint64_t{41})
                                                          .set("mode", mode)
                                                          .set("slice", slice));
            ASSERT_TRUE(latched);
            EXPECT_EQ(latched->tgid, 41);
            EXPECT_EQ(latched->policy.mode, modes[mode]);
            EXPECT_EQ(latched->policy.slice, slice == 1 ? PolicySlice::deny : PolicySlice::allow);
        }
    }
}

TEST(Decoder, APolicyThatIsNotKnownIsMalformedInsteadOfAGuess) {
    auto decoder = decoder_of("7.3");
    EXPECT_EQ(verdict_of(decoder, EventRecord("7.3", "rseq/rseq_policy", 42)
                                      .set("tgid", std::uint64_t{41})
                                      .set("mode", std::uint64_t{9})
                                      .set("slice", std::uint64_t{0})
                                      .bytes()),
              Verdict::malformed);
}

TEST(Decoder, SlicesAreEnabledGrantedAndEnded) {
    auto decoder = decoder_of("7.3");
    const auto enabled =
        decode<event::SliceEnabled>(decoder, EventRecord("7.3", "rseq/rseq_slice_enable", 42)
                                                 .set("tgid", std::uint64_t{41})
                                                 .set("enable", std::uint64_t{1})
                                                 .set("ret", static_cast<std::uint32_t>(-524)));
    ASSERT_TRUE(enabled);
    EXPECT_EQ(enabled->tgid, 41);
    EXPECT_TRUE(enabled->enable);
    EXPECT_EQ(enabled->error, 524);

    const auto granted =
        decode<event::SliceGranted>(decoder, EventRecord("7.3", "rseq/rseq_slice_grant", 42)
                                                 .set("tgid", std::uint64_t{41})
                                                 .set("ns", std::uint64_t{10000}));
    ASSERT_TRUE(granted);
    EXPECT_EQ(granted->tgid, 41);
    EXPECT_EQ(granted->length_ns, 10000U);

    std::set<std::string> reasons;
    for (std::uint64_t reason = 0; reason < 6; ++reason) {
        const auto ended =
            decode<event::SliceEnded>(decoder, EventRecord("7.3", "rseq/rseq_slice_end", 42)
                                                   .set("tgid", std::uint64_t{41})
                                                   .set("reason", reason)
                                                   .set("held_ns", std::uint64_t{5'000'000'000}));
        ASSERT_TRUE(ended);
        EXPECT_EQ(ended->tgid, 41);
        EXPECT_EQ(ended->held_ns, 5'000'000'000U);
        reasons.insert(ended->reason);
    }
    for (const char* reason : {"yield", "syscall", "expired", "revoked"}) {
        EXPECT_TRUE(reasons.contains(reason)) << reason;
    }
}

EventRecord enter(pid_t tid, std::uint32_t length, std::int32_t flags) {
    return EventRecord("6.18", "syscalls/sys_enter_rseq", tid)
        .set("rseq_len", 0xdead'0000'0000'0000 | length)
        .set("flags", static_cast<std::uint32_t>(flags))
        .set("sig", std::uint64_t{0x53053053});
}

EventRecord leave(pid_t tid, std::int64_t ret) {
    return EventRecord("6.18", "syscalls/sys_exit_rseq", tid)
        .set("ret", static_cast<std::uint64_t>(ret));
}

TEST(Decoder, ASystemCallIsAnEventWhenItReturns) {
    auto decoder = decoder_of("6.18");
    EXPECT_EQ(verdict_of(decoder, enter(42, 32, 0).bytes()), Verdict::ignored);
    const auto registered = decode<event::Registered>(decoder, leave(42, 0));
    ASSERT_TRUE(registered);
    EXPECT_EQ(registered->tgid, 0) << "the event does not say";
    EXPECT_EQ(registered->version, std::nullopt);
    EXPECT_EQ(registered->length, 32U) << "the kernel looks at the lower half of the register";
    EXPECT_EQ(registered->flags, 0);
    EXPECT_EQ(registered->signature, 0x53053053U);
    EXPECT_EQ(registered->slice, SliceState::unknown);
    EXPECT_EQ(registered->error, 0);
}

TEST(Decoder, ARefusedSystemCallHasItsErrno) {
    auto decoder = decoder_of("6.18");
    EXPECT_EQ(verdict_of(decoder, enter(42, 16, 0).bytes()), Verdict::ignored);
    EXPECT_EQ(decode<event::Registered>(decoder, leave(42, -EINVAL))->error, EINVAL);
    verdict_of(decoder, enter(42, 16, 0).bytes());
    EXPECT_EQ(decode<event::Registered>(decoder, leave(42, INT64_MIN))->error, 4095)
        << "no kernel returns that";
}

TEST(Decoder, ASystemCallWithTheFlagForItUnregisters) {
    auto decoder = decoder_of("6.18");
    EXPECT_EQ(verdict_of(decoder, enter(42, 32, 1).bytes()), Verdict::ignored);
    const auto undone = decode<event::Unregistered>(decoder, leave(42, -EPERM));
    ASSERT_TRUE(undone);
    EXPECT_EQ(undone->error, EPERM);
}

TEST(Decoder, SystemCallsOfManyThreadsAreKeptApart) {
    auto decoder = decoder_of("6.18");
    for (pid_t tid = 40; tid < 50; ++tid) {
        verdict_of(decoder, enter(tid, static_cast<std::uint32_t>(tid), 0).bytes());
    }
    EXPECT_EQ(decode<event::Registered>(decoder, leave(42, 0))->length, 42U);
}

TEST(Decoder, HalfASystemCallIsIgnored) {
    auto decoder = decoder_of("6.18");
    EXPECT_EQ(verdict_of(decoder, leave(42, 0).bytes()), Verdict::ignored);
    verdict_of(decoder, enter(42, 32, 0).bytes());
    verdict_of(decoder, enter(42, 64, 0).bytes());
    EXPECT_EQ(decode<event::Registered>(decoder, leave(42, 0))->length, 64U) << "the last one";
    EXPECT_EQ(verdict_of(decoder, leave(42, 0).bytes()), Verdict::ignored) << "it is used up";
}

TEST(Decoder, AThreadThatExitsDoesNotLeaveHalfASystemCallToTheNextOfItsNumber) {
    auto decoder = decoder_of("6.18");
    verdict_of(decoder, enter(42, 32, 0).bytes());
    verdict_of(decoder, EventRecord("6.18", "sched/sched_process_exit", 42)
                            .set("pid", std::uint64_t{42})
                            .set("group_dead", std::uint64_t{1})
                            .bytes());
    EXPECT_EQ(verdict_of(decoder, leave(42, 0).bytes()), Verdict::ignored);
}

TEST(SyscallPairs, TheOldestIsForgottenWhenThereAreTooMany) {
    trace::SyscallPairs pairs;
    const auto limit = static_cast<pid_t>(trace::SyscallPairs::limit);
    for (pid_t tid = 1; tid <= limit; ++tid) {
        pairs.enter(tid, static_cast<std::uint64_t>(tid == 5 ? 0 : tid), {});
    }
    pairs.enter(7, 9, {});
    EXPECT_EQ(pairs.size(), trace::SyscallPairs::limit) << "one that is there takes no more room";
    pairs.enter(limit + 1, 9, {});
    EXPECT_EQ(pairs.size(), trace::SyscallPairs::limit);
    EXPECT_FALSE(pairs.leave(5));
    EXPECT_TRUE(pairs.leave(1));
    EXPECT_TRUE(pairs.leave(limit + 1));
}

} // namespace
} // namespace rseq::test
