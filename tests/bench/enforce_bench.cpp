// SPDX-License-Identifier: GPL-2.0-or-later
// What it costs to apply rules to 2,000 cgroups, on a tree in memory that looks like the kernel's:
// opening, reading and writing files there costs about what it does in cgroupfs.
#include "enforce/actuator.h"
#include "enforce/cgroup_tree.h"
#include "enforce/plan_cgroups.h"
#include "tmp_tree.h"

#include <benchmark/benchmark.h>

#include <stdexcept>
#include <string>
#include <vector>

using namespace rseq;
using namespace rseq::enforce;

namespace {

constexpr int cgroups = 2000;

/// Services, every other one of them named by a rule's pattern.
class Machine {
public:
    Machine() {
        add("");
        for (int i = 0; i < cgroups; ++i) {
            add(path_of(i));
        }
        policy::Rule rule;
        rule.name = "even";
        rule.match.unit = proc::UnitPattern("even-*");
        rule.mode = PolicyMode::legacy;
        rules_.push_back(rule);
    }

    /// As if nobody had written anything.
    void reset() {
        for (int i = 0; i < cgroups; ++i) {
            add(path_of(i));
        }
    }
    /// Returns what is held then.
    Held apply(const Held& held) {
        const auto observed =
            observe_cgroups(tree_, rules_, held, [](const std::string&) { return false; });
        if (!observed) {
            throw std::runtime_error(observed.error().message());
        }
        FileActuator actuator(tree_, -1);
        Held after;
        for (const Outcome& outcome :
             execute(plan_cgroups(*observed, held, 1), held, actuator, after)) {
            if (outcome.error) {
                throw std::runtime_error(outcome.error->message());
            }
        }
        if (after.cgroups.size() != cgroups / 2) {
            throw std::runtime_error("not all cgroups are held");
        }
        return after;
    }
    void add_one(const Held& held) {
        const auto observed = observe_new_cgroup(tree_, path_of(0), 0, rules_,
                                                 [](const std::string&) { return false; });
        FileActuator actuator(tree_, -1);
        Held after;
        static_cast<void>(execute(plan_new_cgroup(*observed, held, 1), {}, actuator, after));
    }

private:
    static std::string path_of(int number) {
        return "/system.slice/" + std::string(number % 2 == 0 ? "even-" : "odd-") +
               std::to_string(number) + ".service";
    }
    /// Still right after one line of it was written over, which the kernel's file does not need.
    void add(const std::string& path) {
        files_.file("." + path + "/cgroup.rseq", "mode auto\n\n\nslice allow\n");
    }

    rseq::test::TmpTree files_;
    CgroupTree tree_{files_.open()};
    std::vector<policy::Rule> rules_;
};

void first_application(benchmark::State& state) {
    Machine machine;
    for (auto _ : state) {
        state.PauseTiming();
        machine.reset();
        state.ResumeTiming();
        benchmark::DoNotOptimize(machine.apply({}));
    }
}
BENCHMARK(first_application)->Unit(benchmark::kMillisecond);

void nothing_to_do(benchmark::State& state) {
    Machine machine;
    const Held held = machine.apply({});
    for (auto _ : state) {
        benchmark::DoNotOptimize(machine.apply(held));
    }
}
BENCHMARK(nothing_to_do)->Unit(benchmark::kMillisecond);

void save(benchmark::State& state) {
    Machine machine;
    const rseq::test::TmpTree runtime;
    const UniqueFd folder = runtime.open();
    const Held held = machine.apply({});
    for (auto _ : state) {
        benchmark::DoNotOptimize(save_held(folder.get(), held));
    }
}
BENCHMARK(save)->Unit(benchmark::kMillisecond);

void one_new_cgroup(benchmark::State& state) {
    Machine machine;
    const Held held = machine.apply({});
    for (auto _ : state) {
        machine.add_one(held);
    }
}
BENCHMARK(one_new_cgroup)->Unit(benchmark::kMicrosecond);

} // namespace

BENCHMARK_MAIN();
