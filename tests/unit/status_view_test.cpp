// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/status_view.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

using namespace rseq;
using namespace rseq::cli;
using rseq::snapshot::Process;
using rseq::snapshot::Snapshot;

namespace {

Process process(pid_t pid, std::string comm, ModeCounts threads) {
    Process process;
    process.key = {pid, 900};
    process.comm = std::move(comm);
    process.threads = threads;
    process.source = Evidence::bpf;
    return process;
}

Process mongod() {
    Process mongod = process(4242, "mongod", {.v1 = 12});
    mongod.cgroup = "/system.slice/mongod.service";
    mongod.unit = proc::unit_of_cgroup(mongod.cgroup);
    mongod.slice = SliceState::unavailable;
    mongod.policy = Policy{PolicyMode::legacy, PolicySlice::deny};
    mongod.source = Evidence::procfs;
    mongod.thread_list = {{4242, "mongod", Mode::v1, 32, SliceState::unavailable},
                          {4243, "ftdc", Mode::none, 0, SliceState::unavailable},
                          {4244, "a\x1b[2J\n", Mode::unknown, 0, SliceState::unknown}};
    return mongod;
}

std::string text_of(const Table& table) {
    return table.to_text({.header = true, .colour = false});
}

const std::string hostile = "\x1b[31m\n\t\xff\xe2\x80\xae\\";
const std::string hostile_as_text = "\\x1b[31m\\x0a\\x09\\xff\\xe2\\x80\\xae\\\\";

} // namespace

TEST(ProcessTable, HasTheColumnsOfTheManualAndDashesWhereThereIsNothing) {
    Process bash = process(7, "bash", {.v2 = 1, .none = 1});
    bash.slice = SliceState::available;
    EXPECT_EQ(text_of(process_table({bash, mongod()})),
              " PID  COMM    UNIT            MODE  THREADS  SLICE        POLICY       COMPLIANT  "
              "SOURCE\n"
              "   7  bash    -               v2    0/1/1    available    -            -          "
              "bpf\n"
              "4242  mongod  mongod.service  v1    12/0/0   unavailable  legacy deny  -          "
              "procfs\n");
}

TEST(ProcessTable, CountsUnknownThreadsAndEnabledSlicesBesideTheRest) {
    Process some = process(7, "a", {.v2 = 3, .unknown = 2});
    some.slice = SliceState::enabled;
    some.slice_enabled = 2;
    EXPECT_EQ(text_of(process_table({some})),
              "PID  COMM  UNIT  MODE     THREADS   SLICE      POLICY  COMPLIANT  SOURCE\n"
              "  7  a     -     unknown  0/3/0+2?  enabled 2  -       -          bpf\n");
}

TEST(ProcessTable, SaysWhoCompliesAndWhyAnotherOneDoesNot) {
    Process held = process(7, "a", {.v1 = 1});
    held.compliant = true;
    Process escaped = process(8, "b", {.v2 = 1});
    escaped.compliant = false;
    escaped.compliance_reason = "lost the race\n";
    const Table table = process_table({held, escaped});
    EXPECT_EQ(text_of(table),
              "PID  COMM  UNIT  MODE  THREADS  SLICE    POLICY  COMPLIANT               SOURCE\n"
              "  7  a     -     v1    1/0/0    unknown  -       yes                     bpf\n"
              "  8  b     -     v2    0/1/0    unknown  -       no (lost the race\\x0a)  bpf\n");
    EXPECT_EQ(table.to_json().at(0).at("compliant"), "yes");
    EXPECT_EQ(table.to_json().at(0).at("compliance_reason"), nullptr);
    EXPECT_EQ(table.to_json().at(1).at("compliant"), "no");
    EXPECT_EQ(table.to_json().at(1).at("compliance_reason"), "lost the race\n");
}

TEST(ProcessTable, WithoutASourceSaysNoneOfIt) {
    Process some = process(7, "a", {.unknown = 1});
    some.source = Evidence::none;
    const Json row = process_table({some}).to_json().at(0);
    EXPECT_EQ(row.at("source"), nullptr);
    EXPECT_EQ(row.at("unit"), nullptr);
    EXPECT_EQ(row.at("cgroup"), nullptr);
    EXPECT_EQ(row.at("policy"), nullptr);
}

TEST(ProcessTable, AsJsonHoldsNumbersAndTheColumnsThatTextLeavesOut) {
    const Json row = process_table({mongod()}).to_json().at(0);
    EXPECT_EQ(row, Json::parse(R"({"pid": 4242, "start_ticks": 900, "comm": "mongod",
        "unit": "mongod.service", "cgroup": "/system.slice/mongod.service", "mode": "v1",
        "threads": {"v1": 12, "v2": 0, "none": 0, "unknown": 0}, "slice": "unavailable",
        "slice_enabled": 0, "policy": {"mode": "legacy", "slice": "deny"},
        "compliant": null, "compliance_reason": null, "source": "procfs"})"));
}

TEST(ProcessTable, EscapesWhatOthersHaveChosen) {
    Process evil = process(7, hostile, {.v1 = 1});
    evil.cgroup = "/system.slice/" + hostile + ".service";
    evil.unit = proc::unit_of_cgroup(evil.cgroup);
    const std::string text = text_of(process_table({evil}));
    EXPECT_NE(text.find("7  " + hostile_as_text + "  "), std::string::npos) << text;
    EXPECT_NE(text.find("  " + hostile_as_text + ".service  "), std::string::npos) << text;
    EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 2);
    EXPECT_EQ(text.find('\x1b'), std::string::npos);
}

TEST(ProcessTable, AsJsonIsValidWhateverTheNames) {
    const std::string json =
        dump(process_table({process(7, hostile, {.v1 = 1})}).to_json(), JsonFormat::short_form);
    const Json parsed = Json::parse(json);
    EXPECT_EQ(parsed.at(0).at("comm"), "\x1b[31m\n\t\xef\xbf\xbd\xe2\x80\xae\\");
}

TEST(ThreadTable, HasOneRowForEachThread) {
    EXPECT_EQ(
        text_of(thread_table({mongod()})),
        " PID   TID  COMM          UNIT            MODE     LENGTH  SLICE        POLICY       "
        "SOURCE\n"
        "4242  4242  mongod        mongod.service  v1           32  unavailable  legacy deny  "
        "procfs\n"
        "4242  4243  ftdc          mongod.service  none          -  unavailable  legacy deny  "
        "procfs\n"
        "4242  4244  a\\x1b[2J\\x0a  mongod.service  unknown       -  unknown      legacy deny  "
        "procfs\n");
}

TEST(ThreadTable, OfProcessesWithoutThreadsIsEmpty) {
    EXPECT_EQ(thread_table({process(7, "a", {})}).to_json(), Json::array());
}

TEST(UnknownRemark, IsEmptyIfNothingIsUnknown) {
    EXPECT_EQ(unknown_remark({{mongod(), process(8, "b", {.none = 1})}, "whatever"}, {}), "");
    EXPECT_EQ(unknown_remark({{}, ""}, {}), "");
}

TEST(UnknownRemark, CountsGivesTheReasonAndARemedy) {
    const Snapshot snapshot{{mongod(), process(8, "b", {.unknown = 4}), process(9, "c", {})},
                            "no BPF here"};
    const std::string remark = unknown_remark(snapshot, {});
    EXPECT_EQ(remark.rfind("2 of 3 processes unknown (no BPF here): ", 0), 0U) << remark;
    EXPECT_NE(remark.find("--probe"), std::string::npos) << remark;
    EXPECT_EQ(remark.find("run as root") != std::string::npos, ::geteuid() != 0) << remark;
}

TEST(UnknownRemark, OfAProbeDoesNotAdviseToProbe) {
    const Snapshot snapshot{{process(8, "b", {.unknown = 4})}, ""};
    const std::string remark = unknown_remark(snapshot, {Asked::ptrace, "", ""});
    EXPECT_EQ(remark.rfind("1 of 1 processes unknown: ", 0), 0U) << remark;
    EXPECT_EQ(remark.find("--probe"), std::string::npos) << remark;
}

TEST(UnknownRemark, OfTheDaemonDoesNotAdviseToBecomeRootForTheSameAnswer) {
    const Snapshot snapshot{{process(8, "b", {.unknown = 4})}, ""};
    for (const std::string host : {"", "db1"}) {
        const std::string remark = unknown_remark(snapshot, {Asked::daemon, "0.1.0", host});
        EXPECT_EQ(remark.find("run as root"), std::string::npos) << remark;
        EXPECT_NE(remark.find("--probe"), std::string::npos) << remark;
        EXPECT_EQ(remark.find("that machine") != std::string::npos, !host.empty()) << remark;
    }
}

TEST(Origin, IsTheDaemonOrThisKernel) {
    EXPECT_EQ(origin_to_text({}), "From:   this kernel, directly\n");
    EXPECT_EQ(origin_to_text({Asked::ptrace, "0.1.0", ""}), "From:   this kernel, directly\n");
    EXPECT_EQ(origin_to_text({Asked::daemon, "0.1.0", ""}), "From:   rseq-compatd 0.1.0\n");
    EXPECT_EQ(origin_to_text({Asked::daemon, "1\x1b[", "a\n"}),
              "From:   rseq-compatd 1\\x1b[ on a\\x0a\n");
}

TEST(StatusDocument, SaysWhoReadTheKernel) {
    EXPECT_EQ(
        status_document({Asked::daemon, "0.2.0", "root@db1"}, {}, {}, false).at("from"),
        Json::parse(R"({"program": "rseq-compatd", "version": "0.2.0", "host": "root@db1"})"));
    EXPECT_EQ(status_document({Asked::kernel, "0.1.0", ""}, {}, {}, false).at("from"),
              Json::parse(R"({"program": "rseqctl", "version": "0.1.0", "host": null})"));
}

TEST(StatusDocument, HoldsTheKernelTheProcessesAndWhatIsUnknown) {
    KernelFacts facts;
    facts.release = "7.3.0-test";
    facts.kernel_class = KernelClass::dual;
    facts.abi = 1;
    const Json document =
        status_document({}, facts, {{mongod(), process(8, "b", {.unknown = 1})}, "why"}, false);
    EXPECT_EQ(document.at("schema"), "rseq-compat/status");
    EXPECT_EQ(document.at("version"), 1);
    EXPECT_EQ(document.at("kernel").at("release"), "7.3.0-test");
    EXPECT_EQ(document.at("kernel").at("class"), "dual");
    EXPECT_EQ(document.at("kernel").at("abi"), 1);
    EXPECT_EQ(document.at("processes").size(), 2U);
    EXPECT_FALSE(document.contains("threads"));
    EXPECT_EQ(document.at("unknown"), Json::parse(R"({"processes": 1, "reason": "why"})"));
}

TEST(StatusDocument, HoldsThreadsInsteadIfTheyAreAskedFor) {
    const Json document = status_document({}, {}, {{mongod()}, ""}, true);
    EXPECT_FALSE(document.contains("processes"));
    ASSERT_EQ(document.at("threads").size(), 3U);
    EXPECT_EQ(document.at("threads").at(1).at("tid"), 4243);
    EXPECT_EQ(document.at("threads").at(1).at("length"), nullptr);
    EXPECT_EQ(document.at("threads").at(0).at("length"), 32);
}
