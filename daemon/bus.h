// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include "config/write.h"
#include "core/result.h"
#include "daemon/bus_limits.h"
#include "daemon/enforcer.h"
#include "daemon/occurrence.h"
#include "daemon/state.h"

#include <systemd/sd-event.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace rseq::daemon {

/// What came of a change of policies.
struct PolicyChange {
    std::vector<std::string> files; ///< that were written or removed
    Applied applied;
};
/// Called once, now or later, from the event loop.
using PolicyDone = std::function<void(const Result<PolicyChange>&)>;

/// What a caller on the bus can have done. Called from the event loop.
struct BusHooks {
    /// Reads the configuration anew. An error's context is the text for the caller.
    std::function<Result<void>()> reload;
    /// Compares the registry with the kernel.
    std::function<Result<void>()> rescan;
    /// Brings the state up to now; called before processes are looked up.
    std::function<void()> refresh;
    /// Turns the kernel's slice events on or off; called when the first subscriber asks for them
    /// and when the last one is gone.
    std::function<void(bool wanted)> want_slices;
    /// Applies the policies once more, or tells what that would do.
    std::function<void(bool dry_run, PolicyDone done)> apply_policies;
    /// config::set_policy() and unset_policy(), and then applies what there is.
    std::function<void(const std::string& unit, const config::UnitPolicy& policy,
                       config::Lifetime lifetime, PolicyDone done)>
        set_policy;
    std::function<void(const std::string& unit, PolicyDone done)> unset_policy;
    /// Sets the length of slices in the kernel and for the time to come; the path of the file that
    /// was written.
    std::function<Result<std::string>(std::uint32_t length_ns, config::Lifetime lifetime)>
        set_slice_length;
};

/// The daemon on the system bus (docs/DBUS.md).
class Bus {
public:
    /// Connects, takes the name and attaches to the event loop. `state` has to outlive the result.
    /// Fails if there is no bus, or if somebody else has the name.
    static Result<std::unique_ptr<Bus>> open(sd_event* loop, const State& state, BusHooks hooks,
                                             const BusLimits& limits = {});

    Bus(const Bus&) = delete;
    Bus& operator=(const Bus&) = delete;
    virtual ~Bus() = default;

    /// True if somebody has subscribed to this kind: there is no need to make an Occurrence of it
    /// otherwise. Violations are wanted always.
    [[nodiscard]] virtual bool wants(Kind kind) const = 0;
    /// Tells subscribers, and everybody of a violation.
    virtual void report(const Occurrence& occurrence) = 0;
    /// Tells subscribers that `count` events are missing between what they got and get.
    virtual void report_lost(std::uint64_t count) = 0;
    /// Counts or counters have changed. Signalled later and at most once a second.
    virtual void counts_changed() = 0;
    /// Sends what is queued, and lets go of the name.
    virtual void close() = 0;

protected:
    Bus() = default;
};

} // namespace rseq::daemon
