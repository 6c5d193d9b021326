// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/bus_policies.h"

#include "core/escape.h"
#include "daemon/bus_names.h"
#include "daemon/clock.h"
#include "daemon/enforcer.h"
#include "enforce/report.h"

#include <cerrno>
#include <map>
#include <utility>
#include <vector>

namespace rseq::daemon {

namespace {

using policy::Rule;

std::string text_of(std::string_view untrusted) {
    return replace_invalid_utf8(untrusted);
}

void text_entry(BusWriter& out, const char* key, const std::string& value) {
    if (!value.empty()) {
        out.entry(key, "s", [&] { out.text(text_of(value)); });
    }
}

void u32_entry(BusWriter& out, const char* key, int value) {
    out.entry(key, "u", [&] { out.u32(static_cast<std::uint32_t>(value)); });
}

struct Tally {
    std::uint32_t comply = 0;
    std::uint32_t do_not = 0;
};

std::map<const Rule*, Tally> tally(const State& state) {
    std::map<const Rule*, Tally> counts;
    if (!state.compliance) {
        return counts;
    }
    for (const registry::Process* const process : state.registry.processes()) {
        const enforce::Compliance compliance = state.compliance(*process);
        if (compliance.verdict == enforce::Verdict::yes) {
            ++counts[compliance.rule].comply;
        } else if (compliance.verdict == enforce::Verdict::no) {
            ++counts[compliance.rule].do_not;
        }
    }
    return counts;
}

void write_rule(BusWriter& out, const enforce::RuleReport& rule) {
    out.open('r', "ssuua{ss}ssssssuu");
    out.text(rule.name);
    out.text(text_of(rule.origin.file));
    out.u32(static_cast<std::uint32_t>(rule.origin.line));
    out.u32(static_cast<std::uint32_t>(rule.origin.column));
    out.open('a', "{ss}");
    for (const auto& [key, pattern] : rule.match) {
        out.open('e', "ss");
        out.text(key);
        out.text(text_of(pattern));
        out.close();
    }
    out.close();
    out.text(rule.mode);
    out.text(rule.slice);
    out.text(rule.glibc);
    out.text(rule.expect);
    out.text(rule.state);
    out.text(text_of(rule.reason));
    out.u32(rule.comply);
    out.u32(rule.do_not_comply);
    out.close();
}

void write_notes(BusWriter& out, const std::vector<enforce::NoteReport>& notes) {
    out.open('a', RSEQ_DBUS_NOTE);
    for (const enforce::NoteReport& note : notes) {
        out.open('r', "sayssssu");
        out.text(note.kind);
        out.bytes(note.target);
        out.text(note.what);
        out.text(text_of(note.reason));
        out.text(note.rule);
        out.text(text_of(note.file));
        out.u32(static_cast<std::uint32_t>(note.line));
        out.close();
    }
    out.close();
}

void write_action(BusWriter& out, const enforce::ActionReport& action) {
    out.open('r', "sayssssuss");
    out.text(action.kind);
    out.bytes(action.target);
    out.text(text_of(action.wanted));
    out.text(text_of(action.before));
    out.text(action.rule);
    out.text(text_of(action.file));
    out.u32(static_cast<std::uint32_t>(action.line));
    out.text(action.state);
    out.text(text_of(action.error));
    out.close();
}

void write_held(BusWriter& out, const std::vector<enforce::HeldReport>& entries) {
    out.open('a', RSEQ_DBUS_HELD);
    for (const enforce::HeldReport& entry : entries) {
        out.open('r', "ayssssst");
        out.bytes(entry.cgroup);
        out.text(entry.mode);
        out.text(entry.mode_before);
        out.text(entry.slice);
        out.text(entry.slice_before);
        out.text(entry.rule);
        out.u64(entry.since_usec);
        out.close();
    }
    out.close();
}

void write_drop_ins(BusWriter& out, const std::vector<enforce::DropInReport>& drop_ins) {
    out.open('a', RSEQ_DBUS_DROP_IN);
    for (const enforce::DropInReport& drop_in : drop_ins) {
        out.open('r', "sss");
        out.text(text_of(drop_in.unit));
        out.text(text_of(drop_in.path));
        out.text(text_of(drop_in.text));
        out.close();
    }
    out.close();
}

/// The cgroup of a unit: where one of its processes is, or where it would be.
std::string cgroup_of(const std::string& unit, const State& state) {
    for (const registry::Process* const process : state.registry.processes()) {
        if (process->unit().name == unit || process->unit().display_name() == unit) {
            return enforce::own_cgroup(process->cgroup_path(), process->unit());
        }
    }
    static const enforce::Held nothing;
    return enforce::usual_cgroup(unit,
                                 state.enforcer != nullptr ? state.enforcer->held() : nothing);
}

std::int64_t realtime_offset_usec() {
    return static_cast<std::int64_t>(now_ns(CLOCK_REALTIME) / nsec_per_usec) -
           static_cast<std::int64_t>(now_ns(CLOCK_BOOTTIME) / nsec_per_usec);
}

enforce::TargetReport report(const std::string& target, const State& state) {
    const bool is_path = target.starts_with('/');
    const std::string unit = is_path ? policy::subject_of_cgroup(target).unit_display
                                     : enforce::complete_unit_name(target);
    const std::string cgroup = is_path ? target : cgroup_of(unit, state);
    if (state.enforcer == nullptr) {
        enforce::TargetReport nothing;
        nothing.unit = unit;
        nothing.cgroup = cgroup;
        return nothing;
    }
    const Enforcer& enforcer = *state.enforcer;
    return enforce::report_target(unit, cgroup,
                                  {enforcer.rules(), enforcer.held(), enforcer.drop_ins(),
                                   enforcer.last(), realtime_offset_usec()});
}

/// By the code of what has kept a change from being made.
const char* error_name_of(int code) {
    switch (code) {
    case EINVAL:
        return error_bad_configuration;
    case ENOENT:
        return error_no_such_policy;
    case EEXIST:
        return error_policy_conflict;
    case ENODEV:
        return SD_BUS_ERROR_NOT_SUPPORTED;
    default:
        return SD_BUS_ERROR_FAILED;
    }
}

} // namespace

void write_policies(BusWriter& out, const State& state) {
    out.open('a', RSEQ_DBUS_POLICY);
    if (state.enforcer != nullptr) {
        auto counts = tally(state);
        for (const Rule& rule : state.enforcer->rules()) {
            enforce::RuleReport report = enforce::report_rule(rule, state.enforcer->last());
            if (!state.enforcer->idle()) {
                report.state = "pending";
                report.reason.clear();
            }
            report.comply = counts[&rule].comply;
            report.do_not_comply = counts[&rule].do_not;
            write_rule(out, report);
        }
    }
    out.close();
}

void write_policy(BusWriter& out, const State& state, const std::string& target) {
    const enforce::TargetReport shown = report(target, state);
    out.open('a', "{sv}");
    text_entry(out, "unit", shown.unit);
    if (!shown.cgroup.empty()) {
        out.entry("cgroup", "ay", [&] { out.bytes(shown.cgroup); });
    }
    if (!shown.rule.empty()) {
        text_entry(out, "rule", shown.rule);
        text_entry(out, "file", shown.origin.file);
        u32_entry(out, "line", shown.origin.line);
        u32_entry(out, "column", shown.origin.column);
    }
    text_entry(out, "mode", shown.mode);
    text_entry(out, "slice", shown.slice);
    text_entry(out, "glibc", shown.glibc);
    text_entry(out, "expect", shown.expect);
    text_entry(out, "effective", shown.effective);
    text_entry(out, "mode_rule", shown.mode_rule);
    text_entry(out, "slice_rule", shown.slice_rule);
    out.entry("held", "a" RSEQ_DBUS_HELD, [&] { write_held(out, shown.held); });
    out.entry("drop_ins", "a" RSEQ_DBUS_DROP_IN, [&] { write_drop_ins(out, shown.drop_ins); });
    out.entry("notes", "a" RSEQ_DBUS_NOTE, [&] { write_notes(out, shown.notes); });
    out.close();
}

void write_change(BusWriter& out, const PolicyChange& change) {
    const enforce::ChangeReport report = enforce::report_change(change.files, change.applied);
    out.open('a', "{sv}");
    out.entry("files", "as", [&] {
        out.open('a', "s");
        for (const std::string& file : report.files) {
            out.text(text_of(file));
        }
        out.close();
    });
    out.entry("complete", "b", [&] { out.boolean(report.complete); });
    out.entry("actions", "a" RSEQ_DBUS_ACTION, [&] {
        out.open('a', RSEQ_DBUS_ACTION);
        for (const enforce::ActionReport& action : report.actions) {
            write_action(out, action);
        }
        out.close();
    });
    out.entry("notes", "a" RSEQ_DBUS_NOTE, [&] { write_notes(out, report.notes); });
    out.close();
}

int reply_failure(sd_bus_message* call, int code, std::string_view text) {
    return ::sd_bus_reply_method_errorf(call, error_name_of(code), "%s",
                                        replace_invalid_utf8(text).c_str());
}

} // namespace rseq::daemon
