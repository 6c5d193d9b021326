// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include "daemon/bus_writer.h"
#include "daemon/occurrence.h"
#include "daemon/state.h"

#include <cstdint>
#include <optional>
#include <string_view>

/// How what the daemon knows is written on the bus. The signatures are those of docs/DBUS.md.
namespace rseq::daemon {

#define RSEQ_DBUS_PROCESS "(utbayaysss(uuuu)susss)"
#define RSEQ_DBUS_THREAD "(uuaysus)"
#define RSEQ_DBUS_VIOLATION "(tuuayayaysyttts)"
#define RSEQ_DBUS_REFUSAL "(tuius)"

void write_process(BusWriter& out, const State& state, const registry::Process& process);
/// All that GetProcess tells, as an `a{sv}`.
void write_process_by_name(BusWriter& out, const State& state, const registry::Process& process);
void write_thread(BusWriter& out, const registry::Process& process, const registry::Thread& thread);
/// Writes nothing if the occurrence is no violation.
void write_violation(BusWriter& out, const Occurrence& occurrence);
/// The arguments of an `Event` signal.
void write_event(BusWriter& out, const Occurrence& occurrence);

[[nodiscard]] std::string_view to_string(Kind kind);
/// The inverse; nothing if the text is none of the words.
[[nodiscard]] std::optional<Kind> parse_kind(std::string_view text);
inline constexpr std::size_t kinds = 8;

} // namespace rseq::daemon
