// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include "core/result.h"
#include "daemon/bus.h"
#include "daemon/bus_callers.h"
#include "daemon/bus_handles.h"
#include "daemon/bus_manager.h"
#include "daemon/bus_subscribers.h"
#include "daemon/event_source.h"
#include "daemon/log_control.h"
#include "daemon/polkit.h"
#include "daemon/state.h"

#include <functional>
#include <memory>
#include <optional>

namespace rseq::daemon {

/// One connection to the bus, with all that lives only as long as it: callers, subscriptions,
/// questions to polkit.
class BusSession {
public:
    /// How to take the name: the first time, waiting, so that a failure is known; or later.
    enum class TakeName { now, later };

    /// Called from the event loop; the session must not be destroyed from within.
    struct Events {
        /// The connection is of no use any more. Perhaps more than once.
        std::function<void()> lost;
        std::function<void()> has_name; ///< that was to be taken later
    };

    /// Connects, puts the objects on the bus, takes the name and attaches to the loop. All that is
    /// handed in has to outlive the result.
    static Result<std::unique_ptr<BusSession>> open(sd_event* loop, const State& state,
                                                    const BusHooks& hooks, const BusLimits& limits,
                                                    TakeName take_name, Events events);

    BusSession(const BusSession&) = delete;
    BusSession& operator=(const BusSession&) = delete;
    ~BusSession();

    [[nodiscard]] Subscribers& subscribers() { return *subscribers_; }
    [[nodiscard]] Callers& callers() { return *callers_; }
    [[nodiscard]] sd_bus* bus() const { return bus_.get(); }
    /// Tries for a short time to send what is queued.
    void flush();

private:
    BusSession(BusConnection bus, Events events)
        : bus_(std::move(bus)), events_(std::move(events)) {}

    int on_message(sd_bus_message* message, sd_bus_error*);
    int on_name(sd_bus_message* reply, sd_bus_error*);
    static int on_crowd(sd_event_source*, void* self) noexcept;
    Result<void> take_name(TakeName how);

    BusConnection bus_;
    Events events_;
    std::optional<Callers> callers_;
    std::optional<Polkit> polkit_;
    std::optional<Subscribers> subscribers_;
    std::optional<BusManager> manager_;
    std::optional<LogControl> log_control_;
    BusSlot filter_;
    EventSource crowd_;
    BusSlot name_;
};

} // namespace rseq::daemon
