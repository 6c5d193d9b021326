// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include "core/result.h"
#include "daemon/bus.h"
#include "daemon/bus_callers.h"
#include "daemon/bus_handles.h"
#include "daemon/bus_subscribers.h"
#include "daemon/polkit.h"
#include "daemon/state.h"

#include <cstdint>

namespace rseq::daemon {

/// The interface org.rseqcompat1.Manager. All that is handed to it has to outlive it.
class BusManager {
public:
    BusManager(const State& state, const BusHooks& hooks, Callers& callers, Polkit& polkit,
               Subscribers& subscribers)
        : state_(state), hooks_(hooks), callers_(callers), polkit_(polkit),
          subscribers_(subscribers) {}
    BusManager(const BusManager&) = delete;
    BusManager& operator=(const BusManager&) = delete;
    ~BusManager() = default;

    /// Puts the object on the bus.
    Result<void> attach();

    // Methods.
    int list_processes(sd_bus_message* call, sd_bus_error* error);
    int list_threads(sd_bus_message* call, sd_bus_error* error);
    int get_process(sd_bus_message* call, sd_bus_error* error);
    int list_violations(sd_bus_message* call, sd_bus_error* error);
    int subscribe(sd_bus_message* call, sd_bus_error* error);
    int unsubscribe(sd_bus_message* call, sd_bus_error* error);
    int rescan(sd_bus_message* call, sd_bus_error* error);
    int reload(sd_bus_message* call, sd_bus_error* error);
    // bus_policies.cpp
    int set_slice_length(sd_bus_message* call, sd_bus_error* error);
    int list_policies(sd_bus_message* call, sd_bus_error* error);
    int show_policy(sd_bus_message* call, sd_bus_error* error);
    int apply_policies(sd_bus_message* call, sd_bus_error* error);
    int set_policy(sd_bus_message* call, sd_bus_error* error);
    int unset_policy(sd_bus_message* call, sd_bus_error* error);
    [[nodiscard]] const State& state() const { return state_; }

private:
    int change(sd_bus_message* call, const char* action, Polkit::Run run);
    int set_kinds(sd_bus_message* call, std::uint16_t wanted);

    const State& state_;
    const BusHooks& hooks_;
    Callers& callers_;
    Polkit& polkit_;
    Subscribers& subscribers_;
    BusSlot slot_;
};

} // namespace rseq::daemon
