// SPDX-License-Identifier: GPL-2.0-or-later
#include "tmp_tree.h"
#include "trace/decoder.h"
#include "trace_pages.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <iterator>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <variant>

namespace rseq::test {

using namespace std::literals;
namespace {

using trace::Decoder;
using trace::EventSource;
using trace::Kind;
using trace::Verdict;

Decoder decoder_of(const std::string& kernel) {
    auto decoder = Decoder::load(recorded_events(kernel).get());
    EXPECT_TRUE(decoder) << decoder.error().message();
    return std::move(*decoder);
}

/// The payload of the only event that the record is.
template <class Payload>
std::optional<Payload> decode(Decoder& decoder, const EventRecord& record) {
    Event event;
    const Verdict verdict = decoder.decode(1000, record.bytes(), event);
    EXPECT_EQ(verdict, Verdict::event);
    if (verdict != Verdict::event || !std::holds_alternative<Payload>(event.payload)) {
        return std::nullopt;
    }
    EXPECT_EQ(event.time_ns, 1000U);
    EXPECT_EQ(event.tid, 42);
    return std::get<Payload>(event.payload);
}

Verdict verdict_of(Decoder& decoder, std::span<const std::byte> record) {
    Event event;
    return decoder.decode(0, record, event);
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

TEST(Decoder, TakesRegistrationsFromOurEventsWhereTheyAre) {
    EXPECT_EQ(decoder_of("7.3").source(), EventSource::rseq);
    EXPECT_EQ(decoder_of("6.18").source(), EventSource::syscalls);
}

TEST(Decoder, TakesRegistrationsFromTheSystemCallOnlyIfBothHalvesAreTraced) {
    TmpTree tree;
    const auto from = recorded_events("6.18");
    tree.file("header_page", *read_file(from.get(), "header_page", 4096));
    EXPECT_EQ(Decoder::load(tree.open().get())->source(), EventSource::none);
    for (const char* half : {"syscalls/sys_enter_rseq/format", "syscalls/sys_exit_rseq/format"}) {
        tree.file(half, *read_file(from.get(), half, 4096));
        EXPECT_EQ(Decoder::load(tree.open().get())->source(),
                  std::string(half).find("exit") != std::string::npos ? EventSource::syscalls
                                                                      : EventSource::none);
    }
}

TEST(Decoder, NamesTheFormatThatItCannotUse) {
    TmpTree tree;
    EXPECT_EQ(Decoder::load(tree.open().get()).error().code, ENOENT) << "no header_page";
    const auto from = recorded_events("6.18");
    tree.file("header_page", *read_file(from.get(), "header_page", 4096));
    tree.file("task/task_rename/format", "garbage");
    const auto garbage = Decoder::load(tree.open().get());
    ASSERT_FALSE(garbage);
    EXPECT_EQ(garbage.error().code, EPROTO);
    EXPECT_NE(garbage.error().context.find("task/task_rename/format"), std::string::npos);

    std::string format = *read_file(from.get(), "task/task_rename/format", 4096);
    format.replace(format.find("newcomm["), 7, "unknown");
    tree.file("task/task_rename/format", format);
    const auto lacking = Decoder::load(tree.open().get());
    ASSERT_FALSE(lacking);
    EXPECT_NE(lacking.error().context.find("newcomm"), std::string::npos);
}

TEST(Decoder, AStartedThreadHasItsFlagsAndName) {
    auto decoder = decoder_of("7.3");
    const auto started = decode<event::ThreadStarted>(
        decoder, EventRecord("7.3", "task/task_newtask", 42)
                     .set("pid", std::uint64_t{43})
                     .set("comm", "name\0rest"sv)
                     .set("clone_flags", std::uint64_t{0x1'0001'0000}));
    ASSERT_TRUE(started);
    EXPECT_EQ(started->tid, 43);
    EXPECT_EQ(started->clone_flags, 0x1'0001'0000U);
    EXPECT_EQ(started->comm, "name");
}

TEST(Decoder, ARenamedThreadHasItsNewName) {
    auto decoder = decoder_of("7.3");
    const auto renamed =
        decode<event::Renamed>(decoder, EventRecord("7.3", "task/task_rename", 42)
                                            .set("pid", std::uint64_t{44})
                                            .set("oldcomm", "old"sv)
                                            .set("newcomm", "sixteen letters!"sv)
                                            .set("oom_score_adj", std::uint64_t{0}));
    ASSERT_TRUE(renamed);
    EXPECT_EQ(renamed->tid, 44) << "another one than the one that runs, by a write to its comm";
    EXPECT_EQ(renamed->comm, "sixteen letters!") << "no NUL within its field";
}

TEST(Decoder, ARenamedThreadThatTheEventDoesNotNameIsTheOneThatRuns) {
    TmpTree tree;
    const auto from = recorded_events("7.3");
    tree.file("header_page", *read_file(from.get(), "header_page", 4096));
    std::string format = *read_file(from.get(), "task/task_rename/format", 4096);
    format.replace(format.find("pid_t pid;"), 10, "pid_t xxx;");
    tree.file("task/task_rename/format", format);
    auto decoder = Decoder::load(tree.open().get());
    ASSERT_TRUE(decoder) << decoder.error().message();
    const auto renamed = decode<event::Renamed>(
        *decoder, EventRecord("7.3", "task/task_rename", 42).set("newcomm", "new"sv));
    ASSERT_TRUE(renamed);
    EXPECT_EQ(renamed->tid, 42);
}

TEST(Decoder, AnExecutedProgramHasItsNameAndTheNumberOfItsCaller) {
    auto decoder = decoder_of("7.3");
    const std::string name(3000, 'n');
    const auto executed =
        decode<event::Executed>(decoder, EventRecord("7.3", "sched/sched_process_exec", 42)
                                             .set("pid", std::uint64_t{42})
                                             .set("old_pid", std::uint64_t{45})
                                             .set("filename", name));
    ASSERT_TRUE(executed);
    EXPECT_EQ(executed->tgid, 42);
    EXPECT_EQ(executed->caller, 45);
    EXPECT_EQ(executed->filename, name);
}

TEST(Decoder, AnExitTellsWhetherTheGroupIsDeadWhereTheKernelSays) {
    for (const std::uint64_t dead : {0U, 1U}) {
        auto decoder = decoder_of("7.3");
        const auto exited =
            decode<event::Exited>(decoder, EventRecord("7.3", "sched/sched_process_exit", 42)
                                               .set("pid", std::uint64_t{42})
                                               .set("group_dead", dead));
        ASSERT_TRUE(exited);
        EXPECT_EQ(exited->tid, 42);
        EXPECT_EQ(exited->group_dead, dead == 1);
    }
    TmpTree tree;
    const auto from = recorded_events("7.3");
    tree.file("header_page", *read_file(from.get(), "header_page", 4096));
    std::string format = *read_file(from.get(), "sched/sched_process_exit/format", 4096);
    format.replace(format.find("bool group_dead;"), 16, "bool something_;");
    tree.file("sched/sched_process_exit/format", format);
    auto decoder = Decoder::load(tree.open().get());
    ASSERT_TRUE(decoder) << decoder.error().message();
    const auto exited = decode<event::Exited>(
        *decoder, EventRecord("7.3", "sched/sched_process_exit", 42).set("pid", std::uint64_t{42}));
    ASSERT_TRUE(exited);
    EXPECT_EQ(exited->group_dead, std::nullopt);
}

TEST(Decoder, CgroupsOfTheUnifiedHierarchyAreEventsAndOthersAreIgnored) {
    auto decoder = decoder_of("6.18");
    EventRecord mkdir("6.18", "cgroup/cgroup_mkdir", 42);
    mkdir.set("root", std::uint64_t{0})
        .set("id", std::uint64_t{0x1'0000'0007})
        .set("path", "/a.slice"sv);
    const auto made = decode<event::CgroupMade>(decoder, mkdir);
    ASSERT_TRUE(made);
    EXPECT_EQ(made->id, 0x1'0000'0007U);
    EXPECT_EQ(made->path, "/a.slice");
    mkdir.set("root", std::uint64_t{1});
    EXPECT_EQ(verdict_of(decoder, mkdir.bytes()), Verdict::ignored);

    EventRecord attach("6.18", "cgroup/cgroup_attach_task", 42);
    attach.set("dst_root", std::uint64_t{0})
        .set("dst_id", std::uint64_t{7})
        .set("pid", std::uint64_t{46})
        .set("dst_path", "/a.slice"sv)
        .set("comm", "name"sv);
    const auto entered = decode<event::CgroupEntered>(decoder, attach);
    ASSERT_TRUE(entered);
    EXPECT_EQ(entered->tid, 46);
    EXPECT_EQ(entered->id, 7U);
    EXPECT_EQ(entered->path, "/a.slice");
    attach.set("dst_root", std::uint64_t{3});
    EXPECT_EQ(verdict_of(decoder, attach.bytes()), Verdict::ignored);
}

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

TEST(Decoder, RecordsOfUnknownTypesAreIgnored) {
    auto decoder = decoder_of("7.3");
    for (const std::uint64_t type : {0U, 1U, 65535U}) {
        EXPECT_EQ(
            verdict_of(decoder,
                       EventRecord("7.3", "task/task_rename", 42).set("common_type", type).bytes()),
            Verdict::ignored);
    }
}

TEST(Decoder, ARecordThatIsTooShortForAnyOfItsFieldsIsMalformed) {
    auto decoder = decoder_of("7.3");
    const Bytes whole = registration(1, 0).bytes();
    EXPECT_EQ(verdict_of(decoder, whole), Verdict::event);
    for (std::size_t size = 0; size < whole.size(); ++size) {
        EXPECT_EQ(verdict_of(decoder, std::span(whole).first(size)), Verdict::malformed) << size;
    }
}

} // namespace
} // namespace rseq::test
