// SPDX-License-Identifier: GPL-2.0-or-later
// Any order of events, scans and descriptions, be it one that no kernel can produce.
#include "fuzz.h"
#include "registry/registry.h"
#include "unit/registry_recount.h"

#include <linux/sched.h>

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

using namespace rseq;
using namespace rseq::registry;

namespace {

class Input {
public:
    Input(const std::uint8_t* data, std::size_t size) : data_(data), size_(size) {}

    [[nodiscard]] bool empty() const { return size_ == 0; }
    std::uint8_t byte() {
        if (size_ == 0) {
            return 0;
        }
        size_--;
        return *data_++;
    }
    /// Few, so that they meet; 0 where an event does not tell.
    pid_t number() { return static_cast<pid_t>(byte() % 12); }
    pid_t some_number() { return static_cast<pid_t>(1 + byte() % 11); }
    bool flag() { return (byte() & 1U) != 0; }
    std::int32_t error() { return byte() % 4 == 0 ? 22 : 0; }
    std::string text() { return std::string(byte() * 40U, static_cast<char>('a' + byte() % 4)); }

private:
    const std::uint8_t* data_;
    std::size_t size_;
};

std::optional<bool> group_dead(Input& input) {
    const std::uint8_t which = input.byte() % 3;
    return which == 2 ? std::nullopt : std::optional(which == 1);
}

event::Payload payload_of(Input& input) {
    switch (input.byte() % 13) {
    case 0: {
        std::uint64_t flags = input.flag() ? CLONE_VM : 0U;
        flags |= input.flag() ? CLONE_THREAD : 0U;
        flags |= input.flag() ? CLONE_INTO_CGROUP : 0U;
        return event::ThreadStarted{input.some_number(), flags, input.text()};
    }
    case 1:
        return event::Renamed{input.some_number(), input.text()};
    case 2:
        return event::Executed{input.some_number(), input.some_number(), input.text()};
    case 3:
        return event::Exited{input.some_number(), group_dead(input)};
    case 4:
    case 5:
        return event::Registered{input.number(),
                                 input.flag() ? std::optional<std::uint8_t>(input.byte() % 4)
                                              : std::nullopt,
                                 input.byte(),
                                 0,
                                 0,
                                 static_cast<SliceState>(input.byte() % 5),
                                 input.error()};
    case 6:
        return event::Unregistered{input.number(), input.error()};
    case 7:
        return event::Violation{input.number(), 2, "cpu_id", 1, 2, 3};
    case 8:
        return event::PolicyLatched{input.some_number(), Policy{PolicyMode::legacy, {}}};
    case 9:
        return event::SliceEnabled{input.some_number(), input.flag(), input.error()};
    case 10:
        return event::SliceEnded{input.some_number(), "yield", 1};
    case 11:
        return event::CgroupMade{1, "/a"};
    default:
        return event::CgroupEntered{input.some_number(), 1, "/" + input.text()};
    }
}

std::vector<snapshot::Process> processes_of(Input& input) {
    std::vector<snapshot::Process> processes;
    for (pid_t pid = 1 + input.byte() % 4; pid < 12; pid += 1 + input.byte() % 6) {
        snapshot::Process process;
        process.key = {pid, input.byte() % 4U};
        process.kernel_thread = input.byte() % 8 == 0;
        process.comm = input.text();
        process.exe = input.text();
        process.cgroup = input.text();
        process.source = static_cast<Evidence>(input.byte() % 5);
        for (int threads = input.byte() % 4; threads > 0; threads--) {
            const auto mode = static_cast<Mode>(input.byte() % 5);
            process.thread_list.push_back({input.some_number(), input.text(), mode, 32,
                                           static_cast<SliceState>(input.byte() % 5)});
            process.threads.add(mode);
        }
        processes.push_back(std::move(process));
    }
    return processes;
}

void check(const Registry& registry, const Limits& limits) {
    const std::string wrong = miscount(registry);
    require(wrong.empty(), wrong.c_str());
    require(registry.thread_size() <= limits.threads, "no more threads than the limit");
    require(registry.process_size() <= limits.threads, "no more processes than the limit");
    std::size_t logs = 0;
    for (const Process* process : registry.processes()) {
        logs += registry.refusals(*process).empty() ? 0U : 1U;
        require(process->exe_path().size() <= longest_path, "a long program is cut");
        require(process->cgroup_path().size() <= longest_path, "a long cgroup is cut");
    }
    require(logs <= limits.refusal_logs, "no more refusals than the limit");
}

/// Looks at all that changes point to.
void look_at(Changes changes) {
    std::size_t sum = 0;
    for (const Change& change : changes) {
        sum += change.comm.size();
        if (change.process != nullptr) {
            require(change.process->pid == change.pid, "a change is of its process");
            sum += change.process->exe_path().size() + change.process->unit().name.size();
        }
    }
    require(sum < 1U << 30U, "a sum");
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    Input input(data, size);
    KernelFacts facts;
    facts.abi = input.flag() ? 1 : 0;
    facts.kernel_class = static_cast<KernelClass>(input.byte() % 5);
    facts.slices = static_cast<Availability>(input.byte() % 3);
    const Limits limits{.threads = 1U + input.byte() % 16U, .refusal_logs = input.byte() % 4U};
    Registry registry(facts, limits);
    std::uint64_t now = 1;
    while (!input.empty()) {
        now += (input.byte() % 8U) * 5'000'000U;
        const std::uint8_t what = input.byte() % 16;
        if (what == 0) {
            const auto processes = processes_of(input);
            std::vector<pid_t> only;
            for (int more = input.byte() % 4; more > 0; more--) {
                only.push_back(input.some_number());
            }
            std::optional<std::span<const pid_t>> some;
            if (!only.empty()) {
                some = only;
            }
            look_at(registry.reconcile({processes, now, now + 5'000'000, some, input.flag()}));
        } else if (what == 1) {
            for (const auto& process : processes_of(input)) {
                registry.describe(process);
            }
        } else if (what == 2) {
            registry.take_unsettled();
        } else {
            const Event event{now, input.some_number(), payload_of(input)};
            look_at(registry.apply(event));
        }
        check(registry, limits);
    }
    return 0;
}
