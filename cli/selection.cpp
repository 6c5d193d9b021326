// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/selection.h"

#include "core/parse.h"
#include "proc/unit_pattern.h"

#include <algorithm>
#include <cerrno>

namespace rseq::cli {

namespace {

bool looks_like_number(std::string_view text) {
    if (!text.empty() && (text.front() == '-' || text.front() == '+')) {
        text.remove_prefix(1);
    }
    return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
}

using Patterns = std::vector<proc::UnitPattern>;

bool any_matches(const Patterns& patterns, const proc::Unit& unit) {
    return std::any_of(patterns.begin(), patterns.end(),
                       [&](const proc::UnitPattern& pattern) { return pattern.matches(unit); });
}

} // namespace

Result<Targets> parse_targets(const std::vector<std::string>& arguments) {
    Targets targets;
    for (const std::string& argument : arguments) {
        if (argument.empty()) {
            return fail(EINVAL, "an empty name is neither a process nor a unit");
        }
        if (!looks_like_number(argument)) {
            targets.units.push_back(argument);
            continue;
        }
        const auto pid = parse_number<pid_t>(argument);
        if (!pid || *pid <= 0) {
            return fail(EINVAL, argument + " is not the number of a process");
        }
        targets.pids.push_back(*pid);
    }
    return targets;
}

Result<void> check_process(const proc::ProcReader& reader, pid_t pid) {
    const std::string name = "process " + std::to_string(pid);
    auto dir = reader.open(pid);
    if (!dir) {
        return fail(dir.error().code == ENOENT ? ESRCH : dir.error().code, name);
    }
    const auto group = dir->thread_group();
    if (!group) {
        return fail(group.error().code == ENOENT ? ESRCH : group.error().code, name);
    }
    if (*group != pid) {
        return fail(ESRCH, name + " is a thread of process " + std::to_string(*group) +
                               "; name that one instead");
    }
    return {};
}

Exit not_found_or_failure(const Error& error) {
    return error.code == ESRCH ? Exit::not_found : Exit::failure;
}

Result<std::vector<Mode>> parse_modes(std::string_view list) {
    std::vector<Mode> modes;
    for (bool more = true; more;) {
        more = list.find(',') != std::string_view::npos;
        const std::string_view word = take_until(list, ',');
        const auto mode = parse_mode(word);
        if (!mode) {
            return fail(EINVAL, "--mode: '" + std::string(word) +
                                    "' is none of v1, v2, mixed, none, unknown");
        }
        modes.push_back(*mode);
    }
    return modes;
}

Result<void> select(std::vector<snapshot::Process>& processes, const Targets& targets,
                    const std::vector<Mode>& modes, const std::vector<std::string>& units) {
    const Patterns named(targets.units.begin(), targets.units.end());
    const Patterns filter(units.begin(), units.end());
    for (const proc::UnitPattern& pattern : named) {
        const bool found =
            std::any_of(processes.begin(), processes.end(), [&](const snapshot::Process& process) {
                return pattern.matches(process.unit);
            });
        if (!found) {
            return fail(ENOENT, "no process in a unit " + pattern.pattern());
        }
    }
    const auto is_target = [&](const snapshot::Process& process) {
        return (targets.pids.empty() && targets.units.empty()) ||
               std::find(targets.pids.begin(), targets.pids.end(), process.key.pid) !=
                   targets.pids.end() ||
               any_matches(named, process.unit);
    };
    const auto has_mode = [&](const snapshot::Process& process) {
        return modes.empty() ||
               std::find(modes.begin(), modes.end(), process.mode()) != modes.end();
    };
    std::erase_if(processes, [&](const snapshot::Process& process) {
        return !is_target(process) || !has_mode(process) ||
               (!filter.empty() && !any_matches(filter, process.unit));
    });
    return {};
}

} // namespace rseq::cli
