// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/violations_view.h"

#include "core/escape.h"
#include "core/violation.h"

#include <array>
#include <ctime>
#include <set>

namespace rseq::cli {

namespace {

constexpr int violations_schema_version = 1;

std::string local_time(std::uint64_t usec) {
    const auto seconds = static_cast<std::time_t>(usec / 1'000'000);
    std::tm parts{};
    std::array<char, 32> text{};
    if (::localtime_r(&seconds, &parts) == nullptr ||
        std::strftime(text.data(), text.size(), "%Y-%m-%d %H:%M:%S", &parts) == 0) {
        return "?";
    }
    return text.data();
}

Cell name_or_none(const std::string& name) {
    return name.empty() ? Cell::none() : Cell::untrusted(name);
}

Cell value_cell(const std::optional<std::uint64_t>& value) {
    return value ? Cell{"", *value, Style::plain} : Cell::none();
}

std::string clause(const Killed& killed) {
    return killed.expected && killed.found
               ? describe_violation(killed.reason, *killed.expected, *killed.found)
               : killed.reason;
}

} // namespace

Table violations_table(const std::vector<KilledGroup>& groups) {
    Table table({{"TIME", "time_usec"},
                 {"", "first_time_usec"},
                 {"TIMES", "times", Align::right},
                 {"PID", "pid", Align::right},
                 {"COMM", "comm"},
                 {"", "exe"},
                 {"UNIT", "unit"},
                 {"MODE", "mode"},
                 {"", "reason"},
                 {"", "expected"},
                 {"", "found"},
                 {"VIOLATION", "text"},
                 {"", "command"}});
    for (const KilledGroup& group : groups) {
        const Killed& last = group.last;
        const auto command = pinning_command(last);
        const std::string text = clause(last);
        table.add({Cell{local_time(last.time_usec), last.time_usec, Style::plain},
                   Cell::number(group.first_time_usec), Cell::number(group.times),
                   Cell::number(last.pid), Cell::untrusted(last.comm), name_or_none(last.exe),
                   name_or_none(last.unit), Cell::word(to_string(last.mode)),
                   Cell::untrusted(last.reason), value_cell(last.expected), value_cell(last.found),
                   Cell{escape_untrusted(text), text, Style::plain},
                   command ? Cell::untrusted(*command) : Cell::none()});
    }
    return table;
}

std::string violations_to_text(const std::vector<KilledGroup>& groups, bool legend, bool colour) {
    std::string text = violations_table(groups).to_text({.header = legend, .colour = colour});
    if (!legend) {
        return text;
    }
    if (groups.empty()) {
        return "No violations.\n";
    }
    std::set<std::string> commands;
    for (const KilledGroup& group : groups) {
        if (auto command = pinning_command(group.last)) {
            commands.insert(std::move(*command));
        }
    }
    text += commands.empty() ? "" : "\nTo have a unit in v1 from its next start on:\n";
    for (const std::string& command : commands) {
        text += "    " + escape_untrusted(command) + "\n";
    }
    return text;
}

Json violations_to_json(const std::vector<KilledGroup>& groups, std::string_view source) {
    return {{"schema", "rseq-compat/violations"},
            {"version", violations_schema_version},
            {"source", source},
            {"violations", violations_table(groups).to_json()}};
}

} // namespace rseq::cli
