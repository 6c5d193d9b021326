// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include "enforce/plan_units.h"

#include <systemd/sd-bus.h>

#include <functional>

/// What systemd answers, org.freedesktop.systemd1(5). Reading returns what sd-bus returns: less
/// than 0 if the answer makes no sense.
namespace rseq::daemon {

/// Reads an `a(...)` of structures that begin with a string, and calls `take` with each string.
int read_first_strings(sd_bus_message* reply, const char* contents,
                       const std::function<void(const char* text)>& take);

/// Reads the properties of a unit, those of all interfaces, into `facts`.
int read_facts(sd_bus_message* reply, enforce::UnitFacts& facts);

} // namespace rseq::daemon
