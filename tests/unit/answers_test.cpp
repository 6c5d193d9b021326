// SPDX-License-Identifier: GPL-2.0-or-later
// What export, slice, doctor and bench make of what was found out.
#include "cli/bench_run.h"
#include "cli/doctor_checks.h"
#include "cli/export_data.h"
#include "cli/slice_view.h"
#include "tmp_tree.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

using namespace rseq;
using namespace rseq::cli;
using rseq::test::TmpTree;

namespace {

bool contains(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}

TEST(Export, WhatIsNotKnownIsAbsentAndNotZero) {
    const std::string text = export_to_prometheus(ExportData());
    EXPECT_FALSE(contains(text, "rseq_slices_granted"));
    EXPECT_FALSE(contains(text, "rseq_slice_length_seconds"));
    EXPECT_FALSE(contains(text, "\nrseq_slices_available "));
    EXPECT_FALSE(contains(text, "rseq_violations_total"));
    EXPECT_TRUE(contains(text, "\nrseq_daemon_up 0\n"));
    EXPECT_TRUE(contains(text, "rseq_v1_users{state=\"unknown\"} 1\n"));
    EXPECT_TRUE(export_to_json(ExportData())["daemon"].is_null());
    EXPECT_TRUE(export_to_json(ExportData())["slices"].is_null());
}

TEST(Export, HasCountsByMode) {
    ExportData data;
    data.processes = {{Mode::v1, 3}, {Mode::mixed, 1}};
    data.threads = {.v1 = 9, .v2 = 2};
    const std::string text = export_to_prometheus(data);
    EXPECT_TRUE(contains(text, "rseq_processes{mode=\"v1\"} 3\n"));
    EXPECT_TRUE(contains(text, "rseq_processes{mode=\"v2\"} 0\n"));
    EXPECT_TRUE(contains(text, "rseq_processes{mode=\"mixed\"} 1\n"));
    EXPECT_TRUE(contains(text, "rseq_threads{mode=\"v1\"} 9\n"));
}

TEST(Export, LargeCountsKeepAllTheirDigits) {
    ExportData data;
    data.slices.emplace();
    data.slices->counts.granted = 123456789012;
    EXPECT_TRUE(contains(export_to_prometheus(data), "rseq_slices_granted 123456789012\n"));
}

TEST(Export, HasCountsByReasonFromTheBeginning) {
    ExportData data;
    DaemonFacts& facts = data.daemon.emplace().facts;
    facts.refusal_reasons = {{"EBUSY", 3}, {"EWHATEVER", 1}};
    facts.violation_reasons = {{"cpu_id", 2}};
    const std::string text = export_to_prometheus(data);
    EXPECT_TRUE(contains(text, "rseq_refusals_total{reason=\"EBUSY\"} 3\n"));
    EXPECT_TRUE(contains(text, "rseq_refusals_total{reason=\"EINVAL\"} 0\n"));
    EXPECT_TRUE(contains(text, "rseq_refusals_total{reason=\"EWHATEVER\"} 1\n"));
    EXPECT_TRUE(contains(text, "rseq_violations_total{reason=\"cpu_id\"} 2\n"));
    EXPECT_TRUE(contains(text, "rseq_violations_total{reason=\"cpu_id_start\"} 0\n"));
    EXPECT_EQ(export_to_json(data)["daemon"]["violation_reasons"], (Json{{"cpu_id", 2}}));
}

TEST(Export, LabelsAreEscaped) {
    ExportData data;
    data.daemon.emplace();
    enforce::RuleReport& policy = data.daemon->policies.emplace_back();
    policy.name = "a\"b\\c\nd";
    policy.state = "enforced";
    policy.comply = 4;
    policy.do_not_comply = 1;
    const std::string text = export_to_prometheus(data);
    EXPECT_TRUE(
        contains(text, "rseq_policy_processes{rule=\"a\\\"b\\\\c\\nd\",compliant=\"no\"} 1\n"));
    EXPECT_EQ(export_to_json(data)["daemon"]["policies"][0]["rule"], "a\"b\\c\nd");
}

TEST(SliceHistogram, CountsEachSliceInItsRange) {
    SliceHistogram histogram;
    histogram.add("yield", 0);
    histogram.add("yield", 499);
    histogram.add("expired", 500);
    histogram.add("revoked", 1'000'000'000);
    const Json document = histogram.to_json(1, 0);
    EXPECT_EQ(document["slices"], 4);
    EXPECT_EQ(document["histogram"][0]["count"], 2);
    EXPECT_EQ(document["histogram"][1]["count"], 1);
    EXPECT_EQ(document["histogram"].back()["count"], 1);
    EXPECT_TRUE(document["histogram"].back()["below_ns"].is_null());
    EXPECT_EQ(document["outcomes"]["yield"], 2);
    EXPECT_EQ(document["outcomes"]["revoked"], 1);
}

TEST(SliceHistogram, BarsAreRelativeToTheLargest) {
    SliceHistogram histogram;
    for (int i = 0; i < 10; ++i) {
        histogram.add("yield", 100);
    }
    histogram.add("yield", 600);
    const std::string text = histogram.to_text(20);
    EXPECT_TRUE(contains(text, "10 " + std::string(20, '#') + "\n"));
    EXPECT_TRUE(contains(text, "1 ##\n"));
    EXPECT_EQ(SliceHistogram().to_text(20), "0 slices: 0 yield, 0 syscall, 0 expired, 0 revoked\n");
}

TEST(SliceUses, AreSummedOverProcesses) {
    TmpTree tree;
    const std::string text = "Threads:\t2\nUnregistered:\t0\nV1:\t0\nV2:\t2\nSlice_enabled:\t1\n"
                             "Slice_granted:\t10\nSlice_yielded:\t4\nSlice_syscall:\t3\n"
                             "Slice_expired:\t2\nSlice_revoked:\t1\nPolicy:\tauto allow\n";
    tree.file("self/rseq", text);
    for (const char* pid : {"7", "8"}) {
        tree.file(std::string(pid) + "/rseq", text);
    }
    tree.file("9/rseq", "nonsense");
    tree.directory("10");
    const auto uses = open_directory(tree.path()).and_then([](UniqueFd root) {
        return read_slice_uses(proc::ProcReader(std::move(root)));
    });
    ASSERT_TRUE(uses) << uses.error().message();
    EXPECT_EQ(uses->processes.size(), 2U);
    EXPECT_EQ(uses->unread, 1U);
    EXPECT_EQ(uses->total.counts.granted, 20U);
    EXPECT_EQ(uses->total.counts.yielded, 8U);
    EXPECT_EQ(uses->total.counts.syscall, 6U);
    EXPECT_EQ(uses->total.counts.expired, 4U);
    EXPECT_EQ(uses->total.counts.revoked, 2U);
    EXPECT_EQ(uses->total.enabled_threads, 2U);
}

const Check& find(const std::vector<Check>& checks, std::string_view name) {
    const auto found = std::find_if(checks.begin(), checks.end(),
                                    [&](const Check& one) { return one.name == name; });
    EXPECT_NE(found, checks.end()) << name;
    return *found;
}

Machine healthy() {
    Machine machine;
    machine.kernel.kernel_class = KernelClass::dual;
    machine.kernel.slices = Availability::yes;
    machine.kernel.abi = 1;
    machine.v1_users = verify::Safety::safe;
    machine.tracefs = machine.debugfs = Presence::present;
    machine.daemon = machine.bus = machine.polkit = true;
    machine.tcmalloc_complete = true;
    return machine;
}

TEST(Doctor, HasNothingToSayOfAHealthyMachine) {
    const auto checks = check(healthy());
    EXPECT_EQ(exit_status(checks), 0);
    for (const Check& one : checks) {
        EXPECT_EQ(one.severity, Severity::ok) << one.name;
        EXPECT_EQ(one.command, "") << one.name;
    }
}

TEST(Doctor, AKernelThatLosesGuaranteesIsAnErrorAndMoreSoUnderTcmalloc) {
    Machine machine = healthy();
    machine.v1_users = verify::Safety::unsafe;
    machine.tcmalloc = {{42, "mongod", "mongod.service", Mode::v2}};
    const auto checks = check(machine);
    EXPECT_EQ(exit_status(checks), 2);
    EXPECT_EQ(find(checks, "kernel").severity, Severity::error);
    EXPECT_EQ(find(checks, "tcmalloc").command,
              "rseqctl policy set mongod.service --mode off && systemctl restart mongod.service");
}

TEST(Doctor, ADaemonThatDoesNotRunIsAWarningAndOneThatFailsAnError) {
    Machine machine = healthy();
    machine.daemon = false;
    EXPECT_EQ(exit_status(check(machine)), 1);
    EXPECT_EQ(find(check(machine), "daemon").command, "systemctl enable --now rseq-compatd");
    machine.daemon_reason = "Connection timed out";
    EXPECT_EQ(exit_status(check(machine)), 2);
}

TEST(Doctor, WhatAUserMayNotSeeIsANote) {
    Machine machine = healthy();
    machine.tracefs = Presence::unreadable;
    machine.tcmalloc_complete = false;
    EXPECT_EQ(exit_status(check(machine)), 0);
    EXPECT_TRUE(contains(find(check(machine), "tracefs").finding, "not known"));
    EXPECT_TRUE(contains(find(check(machine), "tcmalloc").finding, "not known"));
}

TEST(SeccompProfile, AllowsRseqIfARuleOrTheDefaultDoes) {
    EXPECT_EQ(allows_rseq(R"({"defaultAction": "SCMP_ACT_ALLOW"})"), true);
    EXPECT_EQ(allows_rseq(R"({"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [
        {"names": ["read", "rseq"], "action": "SCMP_ACT_ALLOW"}]})"),
              true);
    EXPECT_EQ(allows_rseq(R"({"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [
        {"names": ["rseq"], "action": "SCMP_ACT_ERRNO"}, {"names": ["read"]}, 7]})"),
              false);
    for (const char* text : {"", "{}", "[]", "{\"defaultAction\":", "7"}) {
        EXPECT_EQ(allows_rseq(text), std::nullopt) << text;
    }
}

TEST(SeccompProfile, ThatBlocksIsAWarning) {
    Machine machine = healthy();
    machine.profiles = {{"/etc/containers/seccomp.json", false}};
    EXPECT_EQ(find(check(machine), "seccomp").severity, Severity::warning);
    machine.profiles = {{"/etc/containers/seccomp.json", std::nullopt}};
    EXPECT_EQ(find(check(machine), "seccomp").severity, Severity::warning);
}

TEST(Bench, SpreadIsMedianAndQuartiles) {
    const Spread spread = spread_of({5, 1, 4, 2, 3});
    EXPECT_EQ(spread.low, 2);
    EXPECT_EQ(spread.median, 3);
    EXPECT_EQ(spread.high, 4);
    EXPECT_EQ(spread_of({7}).high, 7);
}

BenchSamples samples(std::vector<double> v1, std::vector<double> v2) {
    BenchSamples result;
    for (auto& of_operation : result.ns) {
        of_operation[0] = of_operation[1] = {10, 11, 12};
        of_operation[2] = {10, 11, 12};
    }
    result.ns[2][1] = std::move(v1);
    result.ns[2][2] = std::move(v2);
    return result;
}

TEST(Bench, ADifferenceWithinTheQuartilesIsNoise) {
    EXPECT_TRUE(contains(bench_conclusion(samples({10, 12, 14}, {9, 11, 13})), "within the noise"));
}

TEST(Bench, ADifferenceBeyondThemIsToldWithItsSign) {
    EXPECT_TRUE(contains(bench_conclusion(samples({20, 21, 22}, {10, 11, 12})),
                         "10.0 ns less per signal than in v1"));
    EXPECT_TRUE(contains(bench_conclusion(samples({10, 11, 12}, {20, 21, 22})),
                         "10.0 ns more per signal than in v1"));
}

TEST(Bench, WithoutV2ThereIsNothingToMoveTo) {
    EXPECT_TRUE(contains(bench_conclusion(samples({1}, {})), "no v2"));
}

} // namespace
