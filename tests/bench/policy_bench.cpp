// SPDX-License-Identifier: GPL-2.0-or-later
// Rules against processes: how long the daemon is busy when it looks at a whole machine.
#include "config/load.h"
#include "policy/match.h"

#include <benchmark/benchmark.h>

#include <stdexcept>
#include <string>
#include <vector>

using namespace rseq;
using namespace rseq::policy;

namespace {

constexpr std::size_t units = 2000;

std::string unit_name(std::size_t i) {
    return "app-" + std::to_string(i) + ".service";
}

/// As administrators write them: most name one unit, some a family of units, a cgroup or a program.
/// The units of most processes are named late or not at all, so that most rules are tried.
std::string policy_text(std::size_t count) {
    std::string text = "version: 1\nrules:\n";
    for (std::size_t i = 0; i < count; i++) {
        const std::string n = std::to_string(i);
        text += "  - name: rule-" + n + "\n    match: ";
        switch (i % 10) {
        case 0:
            text += "{unit: 'family-" + n + "@*.service'}\n    slice: deny\n";
            break;
        case 1:
            text += "{cgroup: /system.slice/group-" + n + ".slice/*}\n    mode: legacy\n";
            break;
        case 2:
            text += "{exe: /opt/program-" + n + "/bin/*, uid: 1000}\n    expect: v2\n";
            break;
        case 3:
            text += "{unit: '*-" + n + "-[ab]?.service'}\n    mode: off\n";
            break;
        default:
            text += "{unit: app-" + std::to_string(i * 2) + "}\n    mode: legacy\n    expect: v1\n";
        }
    }
    return text;
}

std::vector<Rule> rules_of(std::size_t count) {
    auto rules = config::parse_policy("bench.yaml", policy_text(count));
    if (!rules) {
        throw std::runtime_error(rules.error().front().text());
    }
    return std::move(*rules);
}

std::string cgroup_of(std::size_t i) {
    return "/system.slice/" + unit_name(i % units);
}

std::vector<Subject> processes_of(std::size_t count) {
    std::vector<Subject> processes;
    for (std::size_t i = 0; i < count; i++) {
        Subject process = subject_of_cgroup(cgroup_of(i));
        process.exe = "/usr/bin/program-" + std::to_string(i % 100);
        process.comm = "program-" + std::to_string(i % 100);
        process.uid = static_cast<uid_t>(i % 3 * 500);
        processes.push_back(std::move(process));
    }
    return processes;
}

void match_rules_against_processes(benchmark::State& state) {
    const auto rules = rules_of(static_cast<std::size_t>(state.range(0)));
    const auto processes = processes_of(static_cast<std::size_t>(state.range(1)));
    std::size_t matched = 0;
    for (auto _ : state) {
        matched = 0;
        for (const Subject& process : processes) {
            matched += match(process, rules) != nullptr ? 1U : 0U;
        }
        benchmark::DoNotOptimize(matched);
    }
    state.counters["matched"] = static_cast<double>(matched);
    state.SetItemsProcessed(state.iterations() * state.range(1));
}

void decide_for_cgroups(benchmark::State& state) {
    const auto rules = rules_of(static_cast<std::size_t>(state.range(0)));
    for (auto _ : state) {
        for (std::size_t i = 0; i < static_cast<std::size_t>(state.range(1)); i++) {
            benchmark::DoNotOptimize(decide(cgroup_of(i), rules));
        }
    }
    state.SetItemsProcessed(state.iterations() * state.range(1));
}

void load_rules(benchmark::State& state) {
    const std::string text = policy_text(static_cast<std::size_t>(state.range(0)));
    for (auto _ : state) {
        benchmark::DoNotOptimize(config::parse_policy("bench.yaml", text));
    }
    state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(text.size()));
}

BENCHMARK(match_rules_against_processes)
    ->ArgNames({"rules", "processes"})
    ->Args({1, 10000})
    ->Args({10, 10000})
    ->Args({1000, 10000})
    ->Unit(benchmark::kMillisecond);
BENCHMARK(decide_for_cgroups)
    ->ArgNames({"rules", "cgroups"})
    ->Args({1000, 2000})
    ->Unit(benchmark::kMillisecond);
BENCHMARK(load_rules)->ArgName("rules")->Arg(1000)->Unit(benchmark::kMillisecond);

} // namespace

BENCHMARK_MAIN();
