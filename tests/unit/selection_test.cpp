// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/selection.h"
#include "tmp_tree.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <string>
#include <vector>

using namespace rseq;
using namespace rseq::cli;
using rseq::snapshot::Process;
using rseq::test::TmpTree;

namespace {

using Words = std::vector<std::string>;

template <class T>
int code_of(const Result<T>& result) {
    return result ? 0 : result.error().code;
}

std::string container_path(const std::string& prefix, const std::string& suffix) {
    return prefix + std::string(64, 'a') + suffix;
}

Process process(pid_t pid, const std::string& cgroup, ModeCounts threads) {
    Process process;
    process.key = {pid, 1};
    process.cgroup = cgroup;
    process.unit = proc::unit_of_cgroup(cgroup);
    process.threads = threads;
    return process;
}

class Selection : public testing::Test {
protected:
    std::vector<Process> processes{
        process(1, "/init.scope", {.unknown = 1}),
        process(10, "/system.slice/mongod.service", {.v1 = 12}),
        process(11, "/system.slice/nginx.service", {.v2 = 2}),
        process(12, "/system.slice/nginx.service", {.none = 1}),
        process(13, container_path("/system.slice/docker-", ".scope"), {.v1 = 1, .v2 = 1}),
        process(14, "/", {.v2 = 1}),
    };

    /// The numbers of what is left after a selection.
    std::vector<pid_t> selected(const Words& arguments, const std::vector<Mode>& modes = {},
                                const Words& units = {}) {
        const auto targets = parse_targets(arguments);
        EXPECT_TRUE(targets);
        const auto done = select(processes, *targets, modes, units);
        EXPECT_TRUE(done) << done.error().message();
        std::vector<pid_t> pids;
        for (const Process& process : processes) {
            pids.push_back(process.key.pid);
        }
        return pids;
    }
};

} // namespace

TEST(Targets, NumbersAreProcessesAndEverythingElseIsAUnit) {
    const auto targets = parse_targets({"1", "ssh.service", "4194304", "12x", "0x10", "1.5", "*"});
    ASSERT_TRUE(targets);
    EXPECT_EQ(targets->pids, (std::vector<pid_t>{1, 4194304}));
    EXPECT_EQ(targets->units, (Words{"ssh.service", "12x", "0x10", "1.5", "*"}));
}

TEST(Targets, NoneAreNone) {
    const auto targets = parse_targets({});
    ASSERT_TRUE(targets);
    EXPECT_TRUE(targets->pids.empty());
    EXPECT_TRUE(targets->units.empty());
}

TEST(Targets, ANumberThatCanBeNoProcessIsAnError) {
    for (const std::string bad : {"0", "-1", "+5", "-0", "00", "2147483648", "4294967297",
                                  "99999999999999999999999999", "-99999999999999999999999999"}) {
        const auto targets = parse_targets({"1", bad});
        ASSERT_EQ(code_of(targets), EINVAL) << bad;
        EXPECT_EQ(targets.error().context, bad + " is not the number of a process");
    }
}

TEST(Targets, AnEmptyNameIsAnErrorAndNotEverything) {
    EXPECT_EQ(code_of(parse_targets({""})), EINVAL);
}

TEST(Targets, LoneSignsAndBlanksAreNoNumbers) {
    const auto targets = parse_targets({"-", "+", " 5", "5 "});
    ASSERT_TRUE(targets);
    EXPECT_EQ(targets->units, (Words{"-", "+", " 5", "5 "}));
}

TEST(CheckProcess, AProcessThatIsThereIsFine) {
    TmpTree tree;
    tree.file("7/status", "Name:\ta\nTgid:\t7\n");
    EXPECT_TRUE(check_process(proc::ProcReader(tree.open()), 7));
}

TEST(CheckProcess, OneThatIsNotThereIsNamed) {
    TmpTree tree;
    const auto checked = check_process(proc::ProcReader(tree.open()), 7);
    ASSERT_EQ(code_of(checked), ESRCH);
    EXPECT_EQ(checked.error().message(), "process 7: No such process");
}

TEST(CheckProcess, AThreadPointsToItsProcess) {
    TmpTree tree;
    tree.file("9/status", "Name:\ta\nTgid:\t7\n");
    const auto checked = check_process(proc::ProcReader(tree.open()), 9);
    ASSERT_EQ(code_of(checked), ESRCH);
    EXPECT_NE(checked.error().context.find("thread of process 7"), std::string::npos);
}

TEST(CheckProcess, OneThatEndsJustNowIsGone) {
    TmpTree tree;
    tree.directory("7");
    EXPECT_EQ(code_of(check_process(proc::ProcReader(tree.open()), 7)), ESRCH);
}

TEST(CheckProcess, AFileThatIsNoStatusIsNotMistakenForAMissingProcess) {
    TmpTree tree;
    tree.file("7/status", "\xff\xfe");
    EXPECT_EQ(code_of(check_process(proc::ProcReader(tree.open()), 7)), EPROTO);
}

TEST(ParseModes, EveryModeAloneAndInAList) {
    EXPECT_EQ(parse_modes("v1"), std::vector<Mode>{Mode::v1});
    EXPECT_EQ(parse_modes("v1,v2,mixed,none,unknown"),
              (std::vector<Mode>{Mode::v1, Mode::v2, Mode::mixed, Mode::none, Mode::unknown}));
}

TEST(ParseModes, AnythingElseIsAnErrorThatQuotesTheWord) {
    for (const std::string bad : {"v3", "V1", "1", " v1", "legacy", "v1\n"}) {
        const auto modes = parse_modes("v1," + bad);
        ASSERT_EQ(code_of(modes), EINVAL) << bad;
        EXPECT_EQ(modes.error().context,
                  "--mode: '" + bad + "' is none of v1, v2, mixed, none, unknown");
    }
}

TEST(ParseModes, AnEmptyWordIsAnErrorWhereverItIs) {
    for (const std::string bad : {"", ",", ",v1", "v1,", "v1,,v2"}) {
        EXPECT_EQ(code_of(parse_modes(bad)), EINVAL) << "'" << bad << "'";
    }
}

TEST_F(Selection, WithoutFiltersKeepsEverything) {
    EXPECT_EQ(selected({}), (std::vector<pid_t>{1, 10, 11, 12, 13, 14}));
}

TEST_F(Selection, KeepsWhatIsNamedByNumberOrByUnit) {
    EXPECT_EQ(selected({"1", "nginx", "docker/*"}), (std::vector<pid_t>{1, 11, 12, 13}));
}

TEST_F(Selection, FiltersByModeOfTheProcess) {
    EXPECT_EQ(selected({}, {Mode::v2, Mode::mixed}), (std::vector<pid_t>{11, 13, 14}));
    EXPECT_EQ(selected({}, {Mode::unknown}), (std::vector<pid_t>{}));
}

TEST_F(Selection, FiltersByUnitWithoutComplaintIfThereIsNone) {
    EXPECT_EQ(selected({}, {}, {"mongod", "docker/*"}), (std::vector<pid_t>{10, 13}));
    EXPECT_EQ(selected({}, {}, {"absent.service"}), (std::vector<pid_t>{}));
}

TEST_F(Selection, TargetsModesAndUnitsNarrowEachOther) {
    EXPECT_EQ(selected({"nginx", "10"}, {Mode::v1, Mode::v2}, {"n*"}), (std::vector<pid_t>{11}));
}

TEST_F(Selection, AUnitThatIsNamedAndHasNoProcessIsNotFound) {
    const auto targets = parse_targets({"10", "absent.service"});
    ASSERT_TRUE(targets);
    const auto done = select(processes, *targets, {}, {});
    ASSERT_EQ(code_of(done), ENOENT);
    EXPECT_EQ(done.error().context, "no process in a unit absent.service");
}

TEST_F(Selection, AUnitThatIsFilteredAwayByModeIsThereAllTheSame) {
    EXPECT_EQ(selected({"mongod"}, {Mode::none}), (std::vector<pid_t>{}));
}
