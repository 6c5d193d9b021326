// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include "proc/unit_pattern.h"

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

/// Names of units as systemd.unit(5) defines them, in as far as drop-ins need it.
namespace rseq::enforce {

inline constexpr std::size_t longest_unit_name = 255;

/// Whether it names one service that can run: not a template, and nothing that reads as a
/// folder of drop-ins for other units too (`a-.service.d` is for all whose name begins with `a-`).
[[nodiscard]] bool is_service(std::string_view name);

/// The service that a pattern without wildcard names, with its suffix; nothing if it is not one.
[[nodiscard]] std::optional<std::string> service_of(const proc::UnitPattern& pattern);

/// The template all of whose instances a pattern `NAME@*.service` matches: "NAME@.service".
[[nodiscard]] std::optional<std::string> template_of(const proc::UnitPattern& pattern);

/// The template of an instance: "getty@.service" of "getty@tty1.service".
[[nodiscard]] std::optional<std::string> template_of_instance(std::string_view service);

/// The slice that a service without Slice= is in.
[[nodiscard]] std::string default_slice(std::string_view service);

/// Path of the cgroup of a unit in a slice: "/a.slice/a-b.slice/x.service".
[[nodiscard]] std::string cgroup_of_unit(std::string_view slice, std::string_view unit);

} // namespace rseq::enforce
