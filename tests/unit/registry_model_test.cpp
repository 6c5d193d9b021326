// SPDX-License-Identifier: GPL-2.0-or-later
// The registry against a simulated kernel that goes on while it is scanned: whatever the order of
// events, scans and losses, it ends in what the kernel is.
#include "core/parse.h"
#include "registry/registry.h"
#include "unit/registry_kernel.h"
#include "unit/registry_recount.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <optional>
#include <ostream>
#include <set>
#include <string>
#include <vector>

using namespace rseq;
using namespace rseq::registry;

namespace rseq::registry {

struct Case {
    const char* name;
    SimulatedKernel::Traits traits;
    bool losses;
};

void PrintTo(const Case& model, std::ostream* out) {
    *out << model.name;
}

} // namespace rseq::registry

namespace {

KernelFacts facts_of(const SimulatedKernel::Traits& traits) {
    KernelFacts facts;
    facts.kernel_class = KernelClass::dual;
    facts.abi = traits.abi ? 1 : 0;
    facts.slices = traits.abi ? Availability::yes : Availability::no;
    return facts;
}

/// What uses the registry as its header says.
class Reader {
public:
    Reader(SimulatedKernel& kernel, const SimulatedKernel::Traits& traits)
        : kernel_(kernel), abi_(traits.abi), registry(facts_of(traits)) {}

    void read(std::size_t most) {
        for (; most > 0 && !kernel_.events.empty(); most--) {
            registry.apply(kernel_.events.front());
            kernel_.events.pop_front();
        }
    }

    void lose(std::size_t most) {
        for (; most > 0 && !kernel_.events.empty(); most--) {
            kernel_.events.pop_front();
            lost = true;
        }
    }

    void scan_all(bool steps_between) {
        if (lost || registry.process_size() == 0) {
            // The one thing that cannot be known: the event of an exec is lost, or was before the
            // first one, and its end is still to come.
            kernel_.finish_execs();
        }
        const std::uint64_t begin = kernel_.now();
        const auto processes = kernel_.scan(std::nullopt, steps_between);
        registry.reconcile({processes, begin, kernel_.now(), std::nullopt, lost});
        lost = false;
    }

    void settle(const std::vector<Unsettled>& unsettled, bool steps_between) {
        std::vector<pid_t> to_scan;
        std::vector<pid_t> to_identify;
        for (const Unsettled& each : unsettled) {
            (each.modes || abi_ ? to_scan : to_identify).push_back(each.pid);
        }
        const std::uint64_t begin = kernel_.now();
        const auto processes = kernel_.scan(to_scan, steps_between);
        registry.reconcile({processes, begin, kernel_.now(), to_scan, false});
        for (const auto& process : kernel_.identify(to_identify)) {
            registry.describe(process);
        }
    }

private:
    SimulatedKernel& kernel_;
    bool abi_;

public:
    Registry registry;
    bool lost = false;
};

/// No answer that the registry gives is wrong; some may be missing, of processes to be settled.
void expect_nothing_wrong(const Registry& registry, const std::vector<snapshot::Process>& truth,
                          const std::vector<Unsettled>& unsettled) {
    std::set<pid_t> in_doubt;
    for (const Unsettled& each : unsettled) {
        if (each.modes) {
            in_doubt.insert(each.pid);
        }
    }
    for (const snapshot::Process& is : truth) {
        const Process* known = registry.find(is.key.pid);
        ASSERT_NE(known, nullptr) << is.key.pid;
        EXPECT_TRUE(known->comm.view() == is.comm ||
                    (known->comm.view().empty() && in_doubt.contains(is.key.pid)))
            << is.key.pid;
        for (const snapshot::Thread& thread : is.thread_list) {
            const registry::Thread* told = registry.find_thread(thread.tid);
            ASSERT_NE(told, nullptr) << is.key.pid << ", thread " << thread.tid;
            EXPECT_TRUE(told->mode == thread.mode ||
                        (told->mode == Mode::unknown && in_doubt.contains(is.key.pid)))
                << is.key.pid << ", thread " << thread.tid;
        }
        if (!in_doubt.contains(is.key.pid)) {
            EXPECT_EQ(known->threads.total(), is.thread_list.size()) << is.key.pid;
            EXPECT_EQ(known->policy, is.policy) << is.key.pid;
        }
    }
}

/// The registry is what the kernel is.
void expect_truth(const Registry& registry, const std::vector<snapshot::Process>& truth) {
    EXPECT_EQ(registry.process_size(), truth.size());
    for (const snapshot::Process& is : truth) {
        const Process* process = registry.find(is.key.pid);
        ASSERT_NE(process, nullptr) << is.key.pid;
        const snapshot::Process known = registry.snapshot_of(*process, true);
        EXPECT_EQ(known.key, is.key);
        EXPECT_EQ(known.comm, is.comm) << is.key.pid;
        EXPECT_EQ(known.exe, is.exe) << is.key.pid;
        EXPECT_EQ(known.cgroup, is.cgroup) << is.key.pid;
        EXPECT_EQ(known.policy, is.policy) << is.key.pid;
        EXPECT_EQ(known.slice_enabled, is.slice_enabled) << is.key.pid;
        ASSERT_EQ(known.thread_list.size(), is.thread_list.size()) << is.key.pid;
        for (std::size_t i = 0; i < is.thread_list.size(); i++) {
            const snapshot::Thread& thread = is.thread_list[i];
            const snapshot::Thread& told = known.thread_list[i];
            EXPECT_EQ(told.tid, thread.tid);
            EXPECT_EQ(told.mode, thread.mode) << is.key.pid << ", thread " << thread.tid;
            EXPECT_EQ(told.length, thread.length) << is.key.pid << ", thread " << thread.tid;
            EXPECT_EQ(told.slice, thread.slice) << is.key.pid << ", thread " << thread.tid;
            EXPECT_EQ(told.comm, thread.comm) << is.key.pid << ", thread " << thread.tid;
        }
    }
}

class RegistryModel : public testing::TestWithParam<Case> {
protected:
    static void check(SimulatedKernel& kernel, Reader& reader) {
        kernel.finish();
        if (reader.lost) {
            reader.scan_all(true);
            kernel.finish();
        }
        reader.read(kernel.events.size());
        const auto truth = kernel.truth();
        for (int round = 0; round < 10; round++) {
            if (reader.registry.needs_rescan()) {
                reader.scan_all(false);
            }
            const auto unsettled = reader.registry.take_unsettled();
            expect_nothing_wrong(reader.registry, truth, unsettled);
            EXPECT_EQ(miscount(reader.registry), "");
            if (unsettled.empty()) {
                break;
            }
            reader.settle(unsettled, false);
        }
        expect_truth(reader.registry, truth);
        EXPECT_EQ(miscount(reader.registry), "");
    }

    static void run(const Case& model, std::uint64_t seed) {
        SimulatedKernel kernel(model.traits, seed);
        for (int i = 0; i < 200; i++) {
            kernel.step();
        }
        kernel.events.clear(); // nobody listened
        Reader reader(kernel, model.traits);
        reader.scan_all(true);
        for (int i = 0; i < 3000 && !HasFailure(); i++) {
            const std::size_t action = kernel.below(1000);
            if (action < 850) {
                kernel.step();
            } else if (action < 930) {
                reader.read(1 + kernel.below(20));
            } else if (action < 970) {
                reader.settle(reader.registry.take_unsettled(), true);
            } else if (action < 975) {
                reader.scan_all(true);
            } else if (action < 980 && model.losses) {
                reader.lose(1 + kernel.below(20));
            } else if (action < 990 && (reader.lost || reader.registry.needs_rescan())) {
                reader.scan_all(true);
            } else if (action == 999) {
                check(kernel, reader);
            }
        }
        check(kernel, reader);
    }
};

constexpr std::uint64_t default_seeds = 100;

} // namespace

TEST_P(RegistryModel, EndsInWhatTheKernelIs) {
    // More than the usual are for whoever changes the registry.
    const char* wanted = std::getenv("RSEQ_MODEL_SEEDS");
    const auto seeds = parse_number<std::uint64_t>(wanted != nullptr ? wanted : "");
    for (std::uint64_t seed = 1; seed <= seeds.value_or(default_seeds) && !HasFailure(); seed++) {
        SCOPED_TRACE("seed " + std::to_string(seed));
        run(GetParam(), seed);
    }
}

INSTANTIATE_TEST_SUITE_P(
    Kernels, RegistryModel,
    testing::Values(Case{"patched", {}, false}, Case{"patched_lossy", {}, true},
                    Case{"stock", {.abi = false}, false}, Case{"stock_lossy", {.abi = false}, true},
                    Case{"old", {.abi = false, .tells_group_dead = false}, false},
                    Case{"old_lossy", {.abi = false, .tells_group_dead = false}, true},
                    Case{"crowded", {.most_threads = 10, .highest_number = 12}, true}),
    [](const auto& instance) { return std::string(instance.param.name); });
