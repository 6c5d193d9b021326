// SPDX-License-Identifier: GPL-2.0-or-later
// How the manager follows the kernel: events and scans into the registry, and what comes of them.
#include "daemon/clock.h"
#include "daemon/log.h"
#include "daemon/manager.h"
#include "daemon/manager_violations.h"
#include "snapshot/snapshot.h"

#include <malloc.h>

#include <algorithm>
#include <utility>
#include <variant>
#include <vector>

namespace rseq::daemon {

namespace {

/// Drains in a row before the bus has its turn.
constexpr int drains_at_most = 16;
/// What the clocks of events and of ours may differ by, with a large margin (registry::Scan).
constexpr std::uint64_t clock_margin_ns = 1'000'000;
/// A rescan waits so long at least, for more losses to come.
constexpr std::uint64_t rescan_delay_usec = 100'000;

std::int64_t realtime_offset_ns() {
    return static_cast<std::int64_t>(now_ns(CLOCK_REALTIME) - now_ns(CLOCK_BOOTTIME));
}

} // namespace

bool Manager::drain() {
    const std::int64_t offset = realtime_offset_ns();
    bool any = false;
    for (int round = 0; round < drains_at_most; ++round) {
        auto drained = reader_->drain();
        if (!drained) {
            log::write(log::Level::error, drained.error().message());
            ::sd_event_exit(loop_.get(), -drained.error().code);
            return false;
        }
        if (enforcer_ != nullptr) {
            // Before anything else: whoever is executed there is faster than most of what follows.
            for (const Event& event : drained->events) {
                if (const auto* made = std::get_if<event::CgroupMade>(&event.payload)) {
                    enforcer_->on_cgroup_made(*made, event.time_ns);
                }
            }
        }
        if (drained->lost > 0) {
            note_lost(drained->lost);
        }
        for (const Event& event : drained->events) {
            apply(event, offset);
        }
        if (drained->events.empty()) {
            break;
        }
        any = true;
    }
    if (any) {
        settle();
        check_touched();
        if (bus_ != nullptr) {
            bus_->counts_changed();
        }
        schedule_flush();
    }
    tell_incomplete();
    if (state_.registry.needs_rescan()) {
        schedule_rescan();
    }
    return any || reader_->pending();
}

void Manager::apply(const Event& event, std::int64_t realtime_offset_ns) {
    for (const registry::Change& change : state_.registry.apply(event)) {
        note_for_policies(change);
        tell(change, realtime_offset_ns);
    }
}

void Manager::tell(const registry::Change& change, std::int64_t realtime_offset_ns) {
    const auto kind = occurrence_kind(change);
    if (!kind) {
        return;
    }
    count(*kind, *change.event);
    const bool for_journal =
        *kind == Kind::violation || *kind == Kind::refusal || *kind == Kind::policy;
    if (!for_journal && (bus_ == nullptr || !bus_->wants(*kind))) {
        return;
    }
    Occurrence occurrence = make_occurrence(change, *kind, realtime_offset_ns);
    if (*kind == Kind::violation && (occurrence.cgroup.empty() || occurrence.exe.empty())) {
        // It turned up in this very batch. What is left of it may still be there.
        if (const auto seen = snapshot::identify(proc_, change.pid); seen && is_of(change, *seen)) {
            complete(occurrence, *seen);
        }
    }
    if (for_journal) {
        journal_.report(occurrence, now_ns(CLOCK_BOOTTIME));
    }
    if (bus_ != nullptr) {
        bus_->report(occurrence);
    }
    if (*kind == Kind::violation) {
        keep_violation(state_.violations, std::move(occurrence));
    }
}

/// Whether `seen` is the process of a change, which has an event, and no later one with its number.
bool Manager::is_of(const registry::Change& change, const snapshot::Process& seen) const {
    const registry::Registry& known = state_.registry;
    return change.process != nullptr
               ? known.is_it(*change.process, seen.key.start_ticks)
               : known.has_started(seen.key.start_ticks, change.event->time_ns);
}

void Manager::count(Kind kind, const Event& event) {
    State::Counters& counters = state_.counters;
    if (kind == Kind::registration) {
        ++counters.registrations;
    } else if (kind == Kind::refusal) {
        ++counters.refusals;
        counters.refusal_reasons.add(errno_name(std::get<event::Registered>(event.payload).error));
    } else if (kind == Kind::violation) {
        ++counters.violations;
        counters.violation_reasons.add(std::get<event::Violation>(event.payload).reason);
    }
}

void Manager::settle() {
    std::vector<pid_t> modes;
    for (const registry::Unsettled& one : state_.registry.take_unsettled()) {
        if (one.modes) {
            modes.push_back(one.pid);
        } else if (const auto seen = snapshot::identify(proc_, one.pid)) {
            static_cast<void>(state_.registry.describe(*seen));
        } // else it is gone, and its exit is on the way
    }
    if (!modes.empty()) {
        std::sort(modes.begin(), modes.end());
        snapshot::Options wanted;
        wanted.only = std::move(modes);
        if (auto done = reconcile(wanted); !done) {
            log::write(log::Level::warning, done.error().message());
        }
    }
}

Result<void> Manager::reconcile(const snapshot::Options& wanted) {
    snapshot::Options options = wanted;
    options.threads = true;
    options.kernel_threads = true;
    options.exe = true;
    options.path_bytes = registry::Limits().path_bytes;
    const std::uint64_t begin = now_ns(CLOCK_BOOTTIME);
    const auto seen = snapshot::take(proc_, state_.facts, options);
    const std::uint64_t end = now_ns(CLOCK_BOOTTIME);
    if (!seen) {
        return tl::unexpected<Error>(seen.error());
    }
    registry::Scan scan;
    scan.processes = seen->processes;
    scan.begin_ns = begin - clock_margin_ns;
    scan.end_ns = end + clock_margin_ns;
    if (options.only) {
        scan.only = *options.only;
    } else {
        scan.events_lost = in_doubt_;
        state_.unknown_reason = seen->unknown_reason;
    }
    if (!proc_.has_rseq_files()) {
        const auto by_bpf = [](const snapshot::Process& process) {
            return process.source == Evidence::bpf;
        };
        const bool any = std::any_of(seen->processes.begin(), seen->processes.end(), by_bpf);
        state_.source = to_string(any ? Evidence::bpf : Evidence::none);
    }
    static_cast<void>(state_.registry.reconcile(scan));
    return {};
}

Result<void> Manager::scan() {
    // Nothing that was read before the scan may be applied after it for the first time.
    static_cast<void>(drain());
    const std::uint64_t begin = now_ns(CLOCK_MONOTONIC);
    if (auto done = reconcile({}); !done) {
        return done;
    }
    settle();
    rescan_pause_usec_ = pause_usec(begin);
    static_cast<void>(drain());
    if (bus_ != nullptr) {
        bus_->counts_changed();
    }
    ::malloc_trim(0);
    return {};
}

/// Says once that not everything can be kept in mind.
void Manager::tell_incomplete() {
    const registry::Health health = state_.registry.health();
    if (!told_incomplete_ && (health.incomplete || health.paths_incomplete)) {
        told_incomplete_ = true;
        log::message(log::Level::warning,
                     "there are more threads, or longer paths of programs and cgroups, than can be "
                     "kept in mind: of some processes the mode or the rule is not known");
    }
}

void Manager::note_lost(std::uint64_t count) {
    state_.counters.lost_events += count;
    journal_.report_lost(count, now_ns(CLOCK_BOOTTIME));
    if (bus_ != nullptr) {
        bus_->report_lost(count);
        bus_->counts_changed();
    }
    in_doubt_ = true;
    schedule_rescan();
}

void Manager::schedule_rescan() {
    if (rescan_scheduled_) {
        return;
    }
    rescan_scheduled_ = true;
    ::sd_event_source_set_time_relative(rescan_.get(),
                                        std::max(rescan_delay_usec, rescan_pause_usec_));
    ::sd_event_source_set_enabled(rescan_.get(), SD_EVENT_ONESHOT);
}

} // namespace rseq::daemon
