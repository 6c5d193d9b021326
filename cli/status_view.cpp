// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/status_view.h"

#include "cli/kernel_view.h"
#include "core/escape.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>

namespace rseq::cli {

namespace {

using snapshot::Process;
using snapshot::Snapshot;

constexpr int status_schema_version = 1;

Cell unit_cell(const proc::Unit& unit) {
    return unit.manager == proc::Manager::none ? Cell::none()
                                               : Cell::untrusted(unit.display_name());
}

Cell counts_cell(const ModeCounts& counts) {
    Cell cell;
    cell.text = fmt::format("{}/{}/{}", counts.v1, counts.v2, counts.none);
    if (counts.unknown > 0) {
        cell.text += fmt::format("+{}?", counts.unknown);
    }
    cell.json = {
        {"v1", counts.v1}, {"v2", counts.v2}, {"none", counts.none}, {"unknown", counts.unknown}};
    return cell;
}

Cell slice_cell(const Process& process) {
    Cell cell = Cell::word(to_string(process.slice));
    if (process.slice_enabled > 0) {
        cell.text += fmt::format(" {}", process.slice_enabled);
    }
    return cell;
}

Cell reason_cell(const Process& process) {
    return process.compliance_reason.empty() ? Cell::none()
                                             : Cell::untrusted(process.compliance_reason);
}

Cell source_cell(Evidence source) {
    return source == Evidence::none ? Cell::none() : Cell::word(to_string(source));
}

std::size_t count_unknown(const Snapshot& snapshot) {
    return static_cast<std::size_t>(
        std::count_if(snapshot.processes.begin(), snapshot.processes.end(),
                      [](const Process& process) { return process.mode() == Mode::unknown; }));
}

std::string_view remedy(const Origin& origin) {
    const bool root = ::geteuid() == 0;
    if (!origin.host.empty()) {
        return "--probe, on that machine, asks each thread with ptrace";
    }
    switch (origin.asked) {
    case Asked::ptrace:
        return root ? "a process that is traced or frozen answers once it is let go"
                    : "run as root";
    case Asked::daemon:
        return root ? "--probe asks each thread with ptrace"
                    : "--probe asks each thread with ptrace, as root or for processes of your own";
    case Asked::kernel:
        break;
    }
    return root ? "--probe asks each thread with ptrace"
                : "run as root, or --probe for processes of your own";
}

} // namespace

Cell mode_cell(Mode mode) {
    const Style style = mode == Mode::mixed     ? Style::warning
                        : mode == Mode::unknown ? Style::dim
                                                : Style::plain;
    return Cell::word(to_string(mode), style);
}

Cell policy_cell(const std::optional<Policy>& policy) {
    if (!policy) {
        return Cell::none();
    }
    Cell cell = Cell::word(to_string(*policy));
    cell.json = {{"mode", to_string(policy->mode)}, {"slice", to_string(policy->slice)}};
    return cell;
}

Cell compliant_cell(const Process& process) {
    if (!process.compliant) {
        return Cell::none();
    }
    if (*process.compliant) {
        return Cell::word("yes");
    }
    Cell cell = Cell::word("no", Style::warning);
    if (!process.compliance_reason.empty()) {
        cell.text += " (" + escape_untrusted(process.compliance_reason) + ")";
    }
    return cell;
}

Json origin_to_json(const Origin& origin) {
    return {{"program", origin.asked == Asked::daemon ? "rseq-compatd" : "rseqctl"},
            {"version", origin.version},
            {"host", origin.host.empty() ? Json(nullptr) : Json(origin.host)}};
}

std::string origin_to_text(const Origin& origin) {
    if (origin.asked != Asked::daemon) {
        return "From:   this kernel, directly\n";
    }
    return "From:   rseq-compatd " + escape_untrusted(origin.version) +
           (origin.host.empty() ? "" : " on " + escape_untrusted(origin.host)) + "\n";
}

Table process_table(const std::vector<Process>& processes) {
    Table table({{"PID", "pid", Align::right},
                 {"", "start_ticks"},
                 {"COMM", "comm"},
                 {"UNIT", "unit"},
                 {"", "cgroup"},
                 {"MODE", "mode"},
                 {"THREADS", "threads"},
                 {"SLICE", "slice"},
                 {"", "slice_enabled"},
                 {"POLICY", "policy"},
                 {"COMPLIANT", "compliant"},
                 {"", "compliance_reason"},
                 {"SOURCE", "source"}});
    for (const Process& process : processes) {
        table.add({Cell::number(process.key.pid), Cell::number(process.key.start_ticks),
                   Cell::untrusted(process.comm), unit_cell(process.unit),
                   process.cgroup.empty() ? Cell::none() : Cell::untrusted(process.cgroup),
                   mode_cell(process.mode()), counts_cell(process.threads), slice_cell(process),
                   Cell::number(process.slice_enabled), policy_cell(process.policy),
                   compliant_cell(process), reason_cell(process), source_cell(process.source)});
    }
    return table;
}

Table thread_table(const std::vector<Process>& processes) {
    Table table({{"PID", "pid", Align::right},
                 {"TID", "tid", Align::right},
                 {"COMM", "comm"},
                 {"UNIT", "unit"},
                 {"MODE", "mode"},
                 {"LENGTH", "length", Align::right},
                 {"SLICE", "slice"},
                 {"POLICY", "policy"},
                 {"SOURCE", "source"}});
    for (const Process& process : processes) {
        for (const snapshot::Thread& thread : process.thread_list) {
            table.add({Cell::number(process.key.pid), Cell::number(thread.tid),
                       Cell::untrusted(thread.comm), unit_cell(process.unit),
                       mode_cell(thread.mode),
                       thread.length > 0 ? Cell::number(thread.length) : Cell::none(),
                       Cell::word(to_string(thread.slice)), policy_cell(process.policy),
                       source_cell(process.source)});
        }
    }
    return table;
}

std::string unknown_remark(const Snapshot& snapshot, const Origin& origin) {
    const std::size_t unknown = count_unknown(snapshot);
    if (unknown == 0) {
        return {};
    }
    const std::string reason =
        snapshot.unknown_reason.empty() ? "" : " (" + snapshot.unknown_reason + ")";
    return fmt::format("{} of {} processes unknown{}: {}.", unknown, snapshot.processes.size(),
                       reason, remedy(origin));
}

Json status_document(const Origin& origin, const KernelFacts& facts, const Snapshot& snapshot,
                     bool threads) {
    Json document{{"schema", "rseq-compat/status"},
                  {"version", status_schema_version},
                  {"from", origin_to_json(origin)},
                  {"kernel", kernel_to_json(facts)}};
    if (threads) {
        document["threads"] = thread_table(snapshot.processes).to_json();
    } else {
        document["processes"] = process_table(snapshot.processes).to_json();
    }
    document["unknown"] = {{"processes", count_unknown(snapshot)},
                           {"reason", snapshot.unknown_reason}};
    return document;
}

} // namespace rseq::cli
