// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include "daemon/bus.h"
#include "daemon/bus_writer.h"
#include "daemon/state.h"

#include <string>
#include <string_view>

/// How policies are written on the bus. The signatures are those of docs/DBUS.md.
namespace rseq::daemon {

#define RSEQ_DBUS_POLICY "(ssuua{ss}ssssssuu)"
#define RSEQ_DBUS_ACTION "(sayssssuss)"
#define RSEQ_DBUS_NOTE "(sayssssu)"
#define RSEQ_DBUS_HELD "(ayssssst)"
#define RSEQ_DBUS_DROP_IN "(sss)"

/// The array of all rules.
void write_policies(BusWriter& out, const State& state);
/// What holds for a unit or, if it begins with a slash, for a cgroup.
void write_policy(BusWriter& out, const State& state, const std::string& target);
/// What a change of policies has led to.
void write_change(BusWriter& out, const PolicyChange& change);

/// Answers with the error of that code, which has kept a change from being made. Returns what
/// sd_bus_reply_method_errorf() returns.
int reply_failure(sd_bus_message* call, int code, std::string_view text);

} // namespace rseq::daemon
