// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include "core/result.h"
#include "daemon/bus_callers.h"
#include "daemon/bus_handles.h"
#include "daemon/polkit.h"

namespace rseq::daemon {

/// org.freedesktop.LogControl1 (systemd's org.freedesktop.LogControl1(5)): reading is open to all,
/// setting the level asks polkit, and the target cannot be set. All that is handed to it has to
/// outlive it.
class LogControl {
public:
    LogControl(Callers& callers, Polkit& polkit) : callers_(callers), polkit_(polkit) {}
    LogControl(const LogControl&) = delete;
    LogControl& operator=(const LogControl&) = delete;
    ~LogControl() = default;

    /// Puts the object on the bus.
    Result<void> attach();

    /// Takes org.freedesktop.DBus.Properties.Set before sd-bus does, whose setters have to answer
    /// at once.
    int on_call(sd_bus_message* call, sd_bus_error* error);

private:
    Callers& callers_;
    Polkit& polkit_;
    BusSlot setter_;
    BusSlot properties_;
};

} // namespace rseq::daemon
