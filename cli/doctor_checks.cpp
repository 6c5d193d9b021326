// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/doctor_checks.h"

#include "core/escape.h"

#include <fmt/format.h>

#include <algorithm>

namespace rseq::cli {

std::string_view to_string(Severity severity) {
    switch (severity) {
    case Severity::ok:
        return "ok";
    case Severity::note:
        return "note";
    case Severity::warning:
        return "warning";
    case Severity::error:
        break;
    }
    return "error";
}

namespace {

constexpr int doctor_schema_version = 1;

Style style_of(Severity severity) {
    switch (severity) {
    case Severity::ok:
        return Style::good;
    case Severity::note:
        return Style::dim;
    case Severity::warning:
        return Style::warning;
    case Severity::error:
        break;
    }
    return Style::bad;
}

Check check_kernel(const Machine& machine) {
    const std::string name = "class " + std::string(to_string(machine.kernel.kernel_class));
    switch (machine.v1_users) {
    case verify::Safety::safe:
        return {"kernel", Severity::ok, name + ", programs that rely on v1 are safe", ""};
    case verify::Safety::unsafe:
        return {"kernel", Severity::error,
                name + ", what programs that rely on v1 need is lost: boot another kernel",
                "rseqctl verify"};
    case verify::Safety::unknown:
        break;
    }
    return {"kernel", Severity::warning,
            name + ", whether programs that rely on v1 are safe is not known", "rseqctl verify"};
}

Check check_abi(const Machine& machine) {
    return machine.kernel.abi > 0
               ? Check{"abi", Severity::ok, "/proc/PID/rseq and cgroup.rseq are there", ""}
               : Check{"abi", Severity::note,
                       "not the rseq-compat kernel: no policies for modes, no counts of slices, "
                       "violations are not seen",
                       ""};
}

Check check_slices(const Machine& machine) {
    const KernelFacts& facts = machine.kernel;
    return facts.slices == Availability::yes
               ? Check{"slices", Severity::ok, "time slice extensions are available", ""}
               : Check{"slices", Severity::note,
                       (facts.slices == Availability::no
                            ? "no time slice extensions: "
                            : "time slice extensions are not known: ") +
                           facts.slices_reason,
                       ""};
}

Check check_mount(std::string_view name, Presence presence, const std::string& folder,
                  Severity absent) {
    switch (presence) {
    case Presence::present:
        return {name, Severity::ok, "mounted at " + folder, ""};
    case Presence::unreadable:
        return {name, Severity::note, "not known: this user may not look into " + folder, ""};
    case Presence::absent:
        break;
    }
    return {name, absent, "not mounted at " + folder,
            fmt::format("mount -t {} {} {}", name, name, folder)};
}

void check_daemon(const Machine& machine, std::vector<Check>& checks) {
    if (!machine.bus) {
        checks.push_back({"bus", Severity::warning,
                          "there is no system bus to reach rseq-compatd by",
                          "systemctl start dbus.socket"});
        return;
    }
    checks.push_back({"bus", Severity::ok, "the system bus is there", ""});
    if (machine.daemon) {
        checks.push_back({"daemon", Severity::ok, "rseq-compatd answers", ""});
    } else if (machine.daemon_reason.empty()) {
        checks.push_back({"daemon", Severity::warning,
                          "rseq-compatd does not run: nobody follows events or holds policies",
                          "systemctl enable --now rseq-compatd"});
    } else {
        checks.push_back({"daemon", Severity::error, "rseq-compatd: " + machine.daemon_reason,
                          "systemctl restart rseq-compatd"});
    }
    checks.push_back(
        machine.polkit ? Check{"polkit", Severity::ok, "polkit decides who may change policies", ""}
                       : Check{"polkit", Severity::warning,
                               "polkit is not installed: systemd does not let the daemon reload "
                               "it, so policies of services are not applied",
                               "apt install polkitd"});
}

Check check_overrides(const Machine& machine) {
    if (machine.overrides.empty()) {
        return {"unit", Severity::ok, "rseq-compatd.service is as it was installed", ""};
    }
    return {
        "unit", Severity::note,
        fmt::format("rseq-compatd.service is changed by {}", fmt::join(machine.overrides, ", ")),
        "systemctl cat rseq-compatd.service"};
}

void check_profiles(const Machine& machine, std::vector<Check>& checks) {
    for (const SeccompProfile& profile : machine.profiles) {
        if (!profile.allows_rseq) {
            checks.push_back(
                {"seccomp", Severity::warning, profile.path + " is not understood", ""});
        } else if (!*profile.allows_rseq) {
            checks.push_back({"seccomp", Severity::warning,
                              profile.path + " does not allow rseq(2): programs in containers run "
                                             "without it",
                              "editor " + shell_word(profile.path)});
        } else {
            checks.push_back({"seccomp", Severity::ok, profile.path + " allows rseq(2)", ""});
        }
    }
}

Check check_user(const TcmallocUser& user, verify::Safety safety) {
    const std::string who = fmt::format("{}[{}] has TCMalloc in it", user.comm, user.pid);
    const std::string unit = shell_word(user.unit);
    if (safety == verify::Safety::unsafe) {
        return {"tcmalloc", Severity::error,
                who + ", and this kernel is not safe for it: it can corrupt its memory",
                user.unit.empty()
                    ? ""
                    : fmt::format("rseqctl policy set {} --mode off && systemctl restart {}", unit,
                                  unit)};
    }
    if (safety == verify::Safety::unknown) {
        return {"tcmalloc", Severity::warning,
                who + "; whether this kernel is safe for it is not known", "rseqctl verify"};
    }
    return {"tcmalloc", Severity::ok,
            fmt::format("{}, in mode {}; this kernel is safe for it", who, to_string(user.mode)),
            ""};
}

void check_tcmalloc(const Machine& machine, std::vector<Check>& checks) {
    for (const TcmallocUser& user : machine.tcmalloc) {
        checks.push_back(check_user(user, machine.v1_users));
    }
    if (!machine.tcmalloc_complete) {
        checks.push_back({"tcmalloc", Severity::note,
                          "not known of all processes: this user may not look into some", ""});
    } else if (machine.tcmalloc.empty()) {
        checks.push_back(
            {"tcmalloc", Severity::ok, "no MongoDB or other user of TCMalloc runs", ""});
    }
}

Table table_of(const std::vector<Check>& checks) {
    Table table(
        {{"CHECK", "check"}, {"RESULT", "result"}, {"FINDING", "finding"}, {"COMMAND", "command"}});
    for (const Check& one : checks) {
        Cell command = one.command.empty() ? Cell{"", nullptr} : Cell::untrusted(one.command);
        table.add({Cell::word(one.name),
                   Cell::word(to_string(one.severity), style_of(one.severity)),
                   Cell::untrusted(one.finding), std::move(command)});
    }
    return table;
}

bool names_rseq(const Json& rule) {
    const auto names = rule.find("names");
    const auto action = rule.find("action");
    return names != rule.end() && names->is_array() && action != rule.end() &&
           *action == "SCMP_ACT_ALLOW" &&
           std::find(names->begin(), names->end(), "rseq") != names->end();
}

} // namespace

std::vector<Check> check(const Machine& machine) {
    std::vector<Check> checks{
        check_kernel(machine), check_abi(machine), check_slices(machine),
        check_mount("tracefs", machine.tracefs, "/sys/kernel/tracing", Severity::warning),
        check_mount("debugfs", machine.debugfs, "/sys/kernel/debug", Severity::note)};
    check_daemon(machine, checks);
    checks.push_back(check_overrides(machine));
    check_profiles(machine, checks);
    check_tcmalloc(machine, checks);
    return checks;
}

std::optional<bool> allows_rseq(std::string_view profile) {
    const Json document = Json::parse(profile, nullptr, false);
    if (!document.is_object() || !document.contains("defaultAction")) {
        return std::nullopt;
    }
    if (document["defaultAction"] == "SCMP_ACT_ALLOW") {
        return true; // as long as no rule says otherwise, which none of those that are shipped does
    }
    const auto rules = document.find("syscalls");
    return rules != document.end() && rules->is_array() &&
           std::any_of(rules->begin(), rules->end(),
                       [](const Json& rule) { return rule.is_object() && names_rseq(rule); });
}

int exit_status(const std::vector<Check>& checks) {
    const auto has = [&](Severity severity) {
        return std::any_of(checks.begin(), checks.end(),
                           [&](const Check& one) { return one.severity == severity; });
    };
    return has(Severity::error) ? 2 : has(Severity::warning) ? 1 : 0;
}

std::string doctor_to_text(const std::vector<Check>& checks, bool legend, bool colour) {
    return table_of(checks).to_text({.header = legend, .colour = colour});
}

Json doctor_to_json(const std::vector<Check>& checks) {
    return {{"schema", "rseq-compat/doctor"},
            {"version", doctor_schema_version},
            {"findings", table_of(checks).to_json()},
            {"exit_status", exit_status(checks)}};
}

} // namespace rseq::cli
