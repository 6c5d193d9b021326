// SPDX-License-Identifier: GPL-2.0-or-later
#include "registry/registry.h"

#include "core/slices.h"
#include "registry/refusals.h"

#include <algorithm>
#include <utility>

namespace rseq::registry {

namespace {

constexpr std::uint64_t ns_per_second = 1'000'000'000;
constexpr std::size_t least_purge = 64;

} // namespace

Registry::Registry(const KernelFacts& facts, const Limits& limits, std::uint64_t ticks_per_second)
    // The kernel's own word is final where it has one.
    : kernel_class_(facts.abi > 0 ? KernelClass::dual : facts.kernel_class), slices_(facts.slices),
      has_policies_(facts.abi > 0), limits_(limits), tick_ns_(ns_per_second / ticks_per_second),
      programs_(limits.path_bytes), cgroups_(limits.path_bytes) {}

Registry::~Registry() = default;

const Process* Registry::find(pid_t pid) const {
    const auto at = processes_.find(pid);
    return at == processes_.end() ? nullptr : &at->second;
}

const Thread* Registry::find_thread(pid_t tid) const {
    const auto at = threads_.find(tid);
    return at == threads_.end() ? nullptr : &at->second;
}

std::vector<const Process*> Registry::processes() const {
    std::vector<const Process*> all;
    all.reserve(processes_.size());
    for (const auto& [pid, process] : processes_) {
        all.push_back(&process);
    }
    std::sort(all.begin(), all.end(),
              [](const Process* a, const Process* b) { return a->pid < b->pid; });
    return all;
}

// These two ask for a registry because what they give is only valid as long as that is not changed.
// NOLINTNEXTLINE(readability-convert-member-functions-to-static)
std::vector<const Thread*> Registry::threads(const Process& process) const {
    std::vector<const Thread*> all;
    all.reserve(process.threads.total());
    for (const Thread* thread = process.first_thread_; thread != nullptr; thread = thread->next_) {
        all.push_back(thread);
    }
    std::sort(all.begin(), all.end(),
              [](const Thread* a, const Thread* b) { return a->tid < b->tid; });
    return all;
}

// NOLINTNEXTLINE(readability-convert-member-functions-to-static)
std::span<const Refusal> Registry::refusals(const Process& process) const {
    if (process.refusals_ == nullptr) {
        return {};
    }
    return std::span(process.refusals_->refusals).first(process.refusals_->size);
}

snapshot::Process Registry::snapshot_of(const Process& process, bool with_threads) const {
    snapshot::Process seen;
    seen.key = {process.pid, process.start_ticks.value_or(0)};
    seen.kernel_thread = process.kernel_thread;
    seen.comm = process.comm.view();
    seen.cgroup = process.cgroup_path();
    seen.unit = process.unit();
    seen.exe = process.exe_path();
    seen.threads = process.threads;
    seen.slice = slices_of_process(process.threads, process.slice_enabled, process.policy, slices_);
    seen.slice_enabled = process.slice_enabled;
    seen.policy = process.policy;
    seen.source = process.source;
    if (with_threads) {
        for (const Thread* thread : threads(process)) {
            seen.thread_list.push_back({thread->tid, std::string(thread->comm.view()), thread->mode,
                                        thread->length, thread->slice});
        }
    }
    return seen;
}

Health Registry::health() const {
    Health health = health_;
    health.paths_incomplete = programs_.has_refused() || cgroups_.has_refused();
    return health;
}

bool Registry::needs_rescan() const {
    // With a little room only, the scan would be followed by the next one soon.
    return stray_seen_ ||
           (health_.incomplete && threads_.size() < limits_.threads - limits_.threads / 16) ||
           programs_.could_have_more() || cgroups_.could_have_more();
}

std::vector<Unsettled> Registry::take_unsettled() {
    std::vector<Unsettled> taken;
    for (const pid_t pid : unsettled_) {
        Process* process = process_at(pid);
        if (process != nullptr && process->queued_) {
            process->queued_ = false;
            taken.push_back({pid, process->modes_wanted_});
        }
    }
    unsettled_.clear();
    return taken;
}

void Registry::want(Process& process, bool modes) {
    process.modes_wanted_ = process.modes_wanted_ || modes;
    if (process.queued_) {
        return;
    }
    // Nobody takes them, and most of them have ended.
    if (unsettled_.size() > 2 * processes_.size() + least_purge) {
        std::erase_if(unsettled_, [&](pid_t pid) {
            const Process* queued = process_at(pid);
            return queued == nullptr || !queued->queued_;
        });
    }
    process.queued_ = true;
    unsettled_.push_back(process.pid);
}

} // namespace rseq::registry
