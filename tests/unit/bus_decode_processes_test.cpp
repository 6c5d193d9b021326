// SPDX-License-Identifier: GPL-2.0-or-later
// What is made of the daemon's answers about processes and their threads.
#include "unit/bus_decode_fixture.h"

#include <cerrno>
#include <optional>

using namespace rseq;
using namespace rseq::cli;

TEST_F(BusDecode, ProcessesAreWhatReadingTheKernelGives) {
    const snapshot::Process mongod = process({});
    EXPECT_EQ(mongod.key, (ProcessKey{42, 900}));
    EXPECT_FALSE(mongod.kernel_thread);
    EXPECT_EQ(mongod.comm, "mongod");
    EXPECT_EQ(mongod.cgroup, "/system.slice/mongod.service");
    EXPECT_EQ(mongod.unit, proc::unit_of_cgroup(mongod.cgroup));
    EXPECT_EQ(mongod.threads, (ModeCounts{.v1 = 2, .none = 1}));
    EXPECT_EQ(mongod.mode(), Mode::v1);
    EXPECT_EQ(mongod.slice, SliceState::unavailable);
    EXPECT_EQ(mongod.slice_enabled, 7U);
    EXPECT_EQ(mongod.policy, (Policy{PolicyMode::legacy, PolicySlice::deny}));
    EXPECT_EQ(mongod.source, Evidence::procfs);
}

TEST_F(BusDecode, ProcessesComeInTheOrderOfTheirNumbers) {
    const auto decoded = decode_processes(processes({{.pid = 7}, {.pid = 3}, {.pid = 5}}).get());
    ASSERT_TRUE(decoded);
    ASSERT_EQ(decoded->size(), 3U);
    EXPECT_EQ(decoded->at(0).key.pid, 3);
    EXPECT_EQ(decoded->at(2).key.pid, 7);
    EXPECT_TRUE(decode_processes(processes({}).get())->empty());
}

TEST_F(BusDecode, NamesAreBytes) {
    const std::string name("\xff\x1b[\0\n", 5);
    EXPECT_EQ(process({.comm = name}).comm, name);
}

TEST_F(BusDecode, WordsOfALaterDaemonMeanWhatIsUnknown) {
    const snapshot::Process later =
        process({.mode = "v3", .slice = "lent", .policy = "strict allow", .source = "telepathy"});
    EXPECT_EQ(later.mode(), Mode::unknown);
    EXPECT_EQ(later.threads, (ModeCounts{.unknown = 3}));
    EXPECT_EQ(later.slice, SliceState::unknown);
    EXPECT_EQ(later.policy, std::nullopt);
    EXPECT_EQ(later.source, Evidence::none);
}

TEST_F(BusDecode, AModeThatDoesNotFollowFromTheThreadsIsUnknown) {
    EXPECT_EQ(process({.mode = "v2"}).mode(), Mode::unknown);
    EXPECT_EQ(process({.mode = "unknown", .threads = {0, 0, 0, 0}}).mode(), Mode::unknown);
}

TEST_F(BusDecode, AKernelWithoutPoliciesHasNone) {
    EXPECT_EQ(process({.policy = ""}).policy, std::nullopt);
}

TEST_F(BusDecode, ProcessesSayWhetherTheyComply) {
    const snapshot::Process no = process({});
    EXPECT_EQ(no.compliant, false);
    EXPECT_EQ(no.compliance_reason, "started before the rule");
    EXPECT_EQ(process({.compliance = "yes"}).compliant, true);
    for (const char* const other : {"", "maybe"}) {
        EXPECT_EQ(process({.compliance = other}).compliant, std::nullopt) << other;
    }
}

TEST_F(BusDecode, NumbersThatCanBeNoProcessAreRefused) {
    for (const std::uint32_t pid : {0U, 0x80000000U, 0xffffffffU}) {
        EXPECT_EQ(code_of(decode_processes(processes({{.pid = pid}}).get())), EPROTO) << pid;
    }
    EXPECT_EQ(process({.pid = 0x7fffffff}).key.pid, 0x7fffffff);
}

TEST_F(BusDecode, NamesThatAreTooLongForTheKernelAreRefused) {
    EXPECT_EQ(process({.comm = std::string(256, 'a')}).comm.size(), 256U);
    EXPECT_EQ(code_of(decode_processes(processes({{.comm = std::string(257, 'a')}}).get())),
              EPROTO);
    EXPECT_EQ(code_of(decode_processes(processes({{.cgroup = std::string(5000, '/')}}).get())),
              EPROTO);
    EXPECT_EQ(code_of(decode_processes(processes({{.source = std::string(5000, 'a')}}).get())),
              EPROTO);
}

TEST_F(BusDecode, ThreadsGoToTheirProcessAndItsCountsFollowThem) {
    auto list =
        decode_processes(processes({{.pid = 42}, {.pid = 43, .threads = {9, 0, 0, 0}}}).get());
    ASSERT_TRUE(list);
    const auto reply = threads({{.pid = 43, .tid = 45, .mode = "none", .length = 0},
                                {.pid = 43, .tid = 43, .mode = "v2", .length = 33},
                                {.pid = 42, .tid = 42},
                                {.pid = 99, .tid = 99}});
    ASSERT_TRUE(decode_threads(reply.get(), *list));
    settle_threads(*list);
    ASSERT_EQ(list->size(), 2U);
    const snapshot::Process& second = list->at(1);
    EXPECT_EQ(second.threads, (ModeCounts{.v2 = 1, .none = 1}));
    ASSERT_EQ(second.thread_list.size(), 2U);
    EXPECT_EQ(second.thread_list[0].tid, 43);
    EXPECT_EQ(second.thread_list[0].length, 33U);
    EXPECT_EQ(second.thread_list[0].comm, "x");
    EXPECT_EQ(second.thread_list[1].mode, Mode::none);
}

TEST_F(BusDecode, AProcessWithoutThreadsHasEnded) {
    auto list = decode_processes(processes({{.pid = 42}, {.pid = 43}}).get());
    ASSERT_TRUE(list);
    ASSERT_TRUE(decode_threads(threads({{.pid = 43, .tid = 43}}).get(), *list));
    settle_threads(*list);
    ASSERT_EQ(list->size(), 1U);
    EXPECT_EQ(list->at(0).key.pid, 43);
}

TEST_F(BusDecode, AThreadIsNeverMixed) {
    auto list = decode_processes(processes({{}}).get());
    ASSERT_TRUE(list);
    ASSERT_TRUE(decode_threads(
        threads({{.tid = 42, .mode = "mixed"}, {.tid = 43, .mode = "v9"}}).get(), *list));
    settle_threads(*list);
    EXPECT_EQ(list->at(0).threads, (ModeCounts{.unknown = 2}));
    EXPECT_EQ(list->at(0).thread_list[0].mode, Mode::unknown);
}

TEST_F(BusDecode, ThreadsWithNumbersThatCanBeNoneAreRefused) {
    std::vector<snapshot::Process> list;
    EXPECT_EQ(code_of(decode_threads(threads({{.pid = 0}}).get(), list)), EPROTO);
    EXPECT_EQ(code_of(decode_threads(threads({{.tid = 0x80000000}}).get(), list)), EPROTO);
}
