// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <cstddef>

/// Names on the bus (docs/DBUS.md).
namespace rseq::daemon {

inline constexpr const char* driver_name = "org.freedesktop.DBus"; ///< the bus itself
inline constexpr const char* driver_path = "/org/freedesktop/DBus";

inline constexpr const char* bus_name = "org.rseqcompat1";
inline constexpr const char* bus_path = "/org/rseqcompat1";
inline constexpr const char* manager_interface = "org.rseqcompat1.Manager";

inline constexpr const char* error_no_such_process = "org.rseqcompat1.Error.NoSuchProcess";
inline constexpr const char* error_bad_configuration = "org.rseqcompat1.Error.BadConfiguration";
inline constexpr const char* error_no_such_policy = "org.rseqcompat1.Error.NoSuchPolicy";
inline constexpr const char* error_policy_conflict = "org.rseqcompat1.Error.PolicyConflict";

inline constexpr const char* action_rescan = "org.rseqcompat1.rescan";
inline constexpr const char* action_reload = "org.rseqcompat1.reload";
inline constexpr const char* action_set_policy = "org.rseqcompat1.set-policy";
inline constexpr const char* action_set_slice_length = "org.rseqcompat1.set-slice-length";
inline constexpr const char* action_set_log_level = "org.rseqcompat1.set-log-level";

/// Bytes of the header of a signal.
inline constexpr std::size_t signal_overhead = 192;

} // namespace rseq::daemon
