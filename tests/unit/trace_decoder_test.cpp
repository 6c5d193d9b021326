// SPDX-License-Identifier: GPL-2.0-or-later
// What the decoder makes of formats, and of the events of every process.
#include "tmp_tree.h"
#include "trace_decoding.h"

#include <cerrno>
#include <string_view>

namespace rseq::test {

using namespace std::literals;
namespace {

using trace::Decoder;
using trace::EventSource;
using trace::Verdict;

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

TEST(Decoder, RecordsOfUnknownTypesAreIgnored) {
    auto decoder = decoder_of("7.3");
    for (const std::uint64_t type : {0U, 1U, 65535U}) {
        EXPECT_EQ(
            verdict_of(decoder,
                       EventRecord("7.3", "task/task_rename", 42).set("common_type", type).bytes()),
            Verdict::ignored);
    }
}

} // namespace
} // namespace rseq::test
