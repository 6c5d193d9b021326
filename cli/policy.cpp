// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/policy.h"

#include "cli/answer.h"
#include "cli/policy_bus.h"
#include "cli/policy_here.h"
#include "cli/policy_view.h"
#include "cli/selection.h"
#include "config/load.h"
#include "core/file.h"
#include "core/parse.h"
#include "proc/unit_pattern.h"

#include <algorithm>
#include <cerrno>
#include <memory>
#include <set>
#include <utility>
#include <vector>

namespace rseq::cli {

namespace {

struct ReadOptions {
    OutputOptions output;
    std::string host;
    bool direct = false;
    std::optional<std::string> target;
    std::vector<std::string> files;
};

Exit fail_whole(const Error& error) {
    print_errors(error.context);
    return Exit::failure;
}

/// Where the rules come from; nothing in `client` means this machine's own files.
Result<std::optional<Client>> choose(const ReadOptions& options) {
    return options.direct ? Result<std::optional<Client>>(std::nullopt) : reach(options.host, true);
}

bool is_usage_error(const ReadOptions& options) {
    if (options.direct && !options.host.empty()) {
        print_error("the files of another machine cannot be read: --host goes without --direct");
        return true;
    }
    return false;
}

constexpr std::string_view not_running =
    "rseq-compatd is not running: what is made from now on is held only where a drop-in does it.\n";

std::string list_to_text(const std::vector<enforce::RuleReport>& rules, bool by_daemon,
                         const OutputOptions& output) {
    const bool legend = !output.no_legend;
    if (rules.empty()) {
        return legend ? "No rules.\n" : "";
    }
    std::string text =
        rule_table(rules, by_daemon).to_text({.header = legend, .colour = use_colour()});
    if (const std::string reasons = reasons_to_text(rules); legend && !reasons.empty()) {
        text += "\n" + reasons;
    }
    if (legend && !by_daemon) {
        text += "\n" + std::string(not_running);
    }
    return text;
}

Exit run_list(const ReadOptions& options) {
    if (is_usage_error(options)) {
        return Exit::usage;
    }
    auto client = choose(options);
    if (!client) {
        return fail_whole(client.error());
    }
    const bool by_daemon = client->has_value();
    auto rules =
        by_daemon ? list_policies(**client).map_error([](const Error& error) {
            return Error{error.code, error.message()};
        })
                  : look_here().map([](const PoliciesHere& here) { return list_policies(here); });
    if (!rules) {
        return fail_whole(rules.error());
    }
    const Origin origin = by_daemon ? origin_of(**client, options.host) : origin_here();
    return print_result(options.output.json == JsonFormat::off
                            ? list_to_text(*rules, by_daemon, options.output)
                            : dump(list_document(origin, *rules), options.output.json),
                        options.output, Exit::success);
}

/// What is to be shown: everything, one process, or a unit or cgroup.
struct Target {
    std::optional<pid_t> pid;
    std::string name; ///< a path if it begins with a slash; "/" for everything
};

Result<Target> parse_target(const std::optional<std::string>& argument) {
    if (!argument) {
        return Target{std::nullopt, "/"};
    }
    if (argument->starts_with('/')) {
        const std::size_t last = argument->find_last_not_of('/'); // completion puts one at the end
        return Target{std::nullopt,
                      last == std::string::npos ? "/" : argument->substr(0, last + 1)};
    }
    return parse_targets({*argument}).and_then([](const Targets& targets) -> Result<Target> {
        if (!targets.pids.empty()) {
            return Target{targets.pids.front(), {}};
        }
        const std::string& name = targets.units.front();
        if (!proc::UnitPattern(name).is_literal()) {
            return fail(EINVAL, name + " is not the name of one unit");
        }
        return Target{std::nullopt, name};
    });
}

bool is_within(const std::string& cgroup, const std::string& path) {
    return cgroup == path || cgroup.starts_with(path == "/" ? path : path + "/");
}

Error no_such(const Target& target) {
    return target.pid ? Error{ESRCH, "no process " + std::to_string(*target.pid)}
                      : Error{ENOENT, "no process in " + target.name + ", and no rule for it"};
}

/// The process, or those in the unit or the cgroup.
std::vector<snapshot::Process> members(std::vector<snapshot::Process> processes,
                                       const Target& target, const std::string& cgroup) {
    const proc::UnitPattern unit(target.name);
    std::erase_if(processes, [&](const snapshot::Process& process) {
        const bool is_member = target.pid ? process.key.pid == *target.pid
                               : target.name.starts_with('/')
                                   ? is_within(process.cgroup, target.name)
                                   : unit.matches(process.unit) ||
                                         (!cgroup.empty() && is_within(process.cgroup, cgroup));
        return !is_member || process.kernel_thread;
    });
    return processes;
}

/// Leaves what is about the target: the answer for the root of the hierarchy is about everything.
void narrow(Shown& shown, const Target& target) {
    shown.everything = !target.pid && target.name == "/";
    if (shown.everything) {
        std::erase_if(shown.processes,
                      [](const snapshot::Process& process) { return !process.compliant; });
        return;
    }
    if (target.pid) {
        std::erase_if(shown.target.held, [&](const enforce::HeldReport& held) {
            return !is_within(shown.target.cgroup, held.cgroup);
        });
    }
    if (shown.target.unit.empty()) {
        shown.target.drop_ins.clear();
        std::erase_if(shown.target.notes, [&](const enforce::NoteReport& note) {
            return note.rule.empty() || note.rule != shown.target.rule;
        });
    }
}

std::optional<enforce::RuleReport> find_rule(const std::vector<enforce::RuleReport>& rules,
                                             const std::string& name) {
    const auto found = std::find_if(rules.begin(), rules.end(),
                                    [&](const auto& rule) { return rule.name == name; });
    return found == rules.end() ? std::nullopt : std::optional(*found);
}

Result<Shown> show_by_daemon(Client& client, const Target& target) {
    auto snapshot = client.snapshot(false, false);
    if (!snapshot) {
        return tl::unexpected<Error>(std::move(snapshot.error()));
    }
    Shown shown;
    std::string name = target.name;
    if (target.pid) {
        shown.processes = members(snapshot->processes, target, "");
        if (shown.processes.empty()) {
            return tl::unexpected<Error>(no_such(target));
        }
        name = shown.processes.front().cgroup;
    }
    auto policy = name.empty() ? fail(ENOENT, "the cgroup of the process is not known")
                               : show_policy(client, name);
    auto rules = list_policies(client);
    if (!policy || !rules) {
        return tl::unexpected<Error>(std::move(policy ? rules.error() : policy.error()));
    }
    shown.target = std::move(*policy);
    shown.rule = find_rule(*rules, shown.target.rule);
    if (!target.pid) {
        shown.processes = members(std::move(snapshot->processes), target, shown.target.cgroup);
    }
    return shown;
}

Result<Shown> show_here(const Target& target) {
    auto here = look_here();
    if (!here) {
        return tl::unexpected<Error>(std::move(here.error()));
    }
    auto root = open_directory("/proc");
    if (!root) {
        return tl::unexpected<Error>(std::move(root.error()));
    }
    const proc::ProcReader reader(std::move(*root));
    snapshot::Options options;
    options.exe = true;
    auto snapshot = snapshot::take(reader, here->facts, options);
    if (!snapshot) {
        return tl::unexpected<Error>(std::move(snapshot.error()));
    }
    for (snapshot::Process& process : snapshot->processes) {
        add_compliance(*here, reader, process);
    }
    Shown shown;
    std::string unit = target.name.starts_with('/') ? "" : enforce::complete_unit_name(target.name);
    std::string cgroup =
        target.name.starts_with('/') ? target.name : enforce::usual_cgroup(unit, here->held);
    shown.processes = members(std::move(snapshot->processes), target, cgroup);
    if (target.pid && shown.processes.empty()) {
        return tl::unexpected<Error>(no_such(target));
    }
    if (target.pid) {
        cgroup = shown.processes.front().cgroup;
        unit = shown.processes.front().unit.display_name();
    } else if (!unit.empty() && !shown.processes.empty()) {
        const snapshot::Process& first = shown.processes.front();
        cgroup = enforce::own_cgroup(first.cgroup, first.unit);
    } else if (unit.empty()) {
        unit = policy::subject_of_cgroup(cgroup).unit_display;
    }
    shown.target = show_policy(*here, unit, cgroup);
    shown.rule = find_rule(list_policies(*here), shown.target.rule);
    return shown;
}

Exit run_show(const ReadOptions& options) {
    if (is_usage_error(options)) {
        return Exit::usage;
    }
    const auto target = parse_target(options.target);
    if (!target) {
        print_error(target.error().context);
        return Exit::usage;
    }
    auto client = choose(options);
    if (!client) {
        return fail_whole(client.error());
    }
    const bool by_daemon = client->has_value();
    auto shown = by_daemon ? show_by_daemon(**client, *target) : show_here(*target);
    if (!shown) {
        const Error& error = shown.error();
        const bool is_missing = error.code == ESRCH || error.code == ENOENT;
        if (is_missing || error.code == EINVAL) {
            print_errors(error.context);
        } else {
            print_error(error.message());
        }
        return is_missing ? Exit::not_found : Exit::failure;
    }
    narrow(*shown, *target);
    if (!shown->everything && !target->pid && shown->target.rule.empty() &&
        shown->processes.empty() && shown->target.drop_ins.empty() && shown->target.held.empty()) {
        print_error(no_such(*target).context);
        return Exit::not_found;
    }
    const Origin origin = by_daemon ? origin_of(**client, options.host) : origin_here();
    std::string text;
    if (options.output.json != JsonFormat::off) {
        text = dump(shown_document(origin, *shown), options.output.json);
    } else {
        text = shown_to_text(*shown, !options.output.no_legend, use_colour());
        if (text.empty() && !options.output.no_legend) {
            text = "No policy has been written anywhere.\n";
        }
    }
    return print_result(text, options.output, Exit::success);
}

Exit run_check(const ReadOptions& options) {
    std::vector<std::string> files = options.files;
    std::size_t rules = 0;
    config::Diagnostics errors;
    if (files.empty()) {
        if (auto loaded = config::load()) {
            rules = loaded->rules.size();
            files = std::move(loaded->files);
        } else {
            errors = std::move(loaded.error());
        }
    } else if (auto loaded = config::load_policy_files(files)) {
        rules = loaded->size();
    } else {
        errors = std::move(loaded.error());
    }
    const Exit status = errors.empty() ? Exit::success : Exit::failure;
    if (options.output.json != JsonFormat::off) {
        return print_result(dump(check_document(files, rules, errors), options.output.json),
                            options.output, status);
    }
    for (const config::Diagnostic& error : errors) {
        print_error(error.text());
    }
    const std::string summary =
        std::to_string(rules) + " rules in " + std::to_string(files.size()) + " files, no errors\n";
    return print_result(errors.empty() && !options.output.no_legend ? summary : "", options.output,
                        status);
}

void add_direct_option(Parser verb, bool& direct) {
    verb.add_flag("--direct", direct, "Read files and kernel even if rseq-compatd runs");
}

} // namespace

Origin origin_of(const Client& client, const std::string& host) {
    return {Asked::daemon, client.facts().version, host};
}

Origin origin_here() {
    return {Asked::kernel, RSEQ_VERSION, ""};
}

Verb add_policy_list(Parser policy) {
    auto options = std::make_shared<ReadOptions>();
    const Parser verb = policy.add_verb("list", "Show the rules, and how far they are in force");
    add_direct_option(verb, options->direct);
    add_host_option(verb, options->host);
    add_output_options(verb, options->output);
    return {verb, [options] {
                return run_list(*options);
            }};
}

Verb add_policy_show(Parser policy) {
    auto options = std::make_shared<ReadOptions>();
    const Parser verb = policy.add_verb(
        "show", "Show what holds for a unit or process, and what was written where");
    verb.add_option("TARGET", options->target,
                    "A unit, a process, or the path of a cgroup; all if none is given")
        .text("[UNIT|PID|CGROUP]");
    add_direct_option(verb, options->direct);
    add_host_option(verb, options->host);
    add_output_options(verb, options->output);
    return {verb, [options] {
                return run_show(*options);
            }};
}

Verb add_policy_check(Parser policy) {
    auto options = std::make_shared<ReadOptions>();
    const Parser verb = policy.add_verb("check", "Look for errors in files of rules");
    verb.add_option("FILE", options->files,
                    "Files of rules; the whole configuration of this machine if none is given")
        .text("[FILE]...");
    add_output_options(verb, options->output);
    return {verb, [options] {
                return run_check(*options);
            }};
}

Verb add_policy(Parser program) {
    const Parser policy =
        program.add_verb("policy", "Hold services and cgroups to a mode, and show what holds");
    policy.require_verb();
    const std::vector<Verb> verbs{add_policy_list(policy),  add_policy_show(policy),
                                  add_policy_check(policy), add_policy_set(policy),
                                  add_policy_unset(policy), add_policy_apply(policy)};
    return {policy, [verbs] {
                const auto verb = std::find_if(verbs.begin(), verbs.end(), [](const Verb& one) {
                    return one.parser.was_given();
                });
                return verb == verbs.end() ? Exit::usage : verb->run();
            }};
}

} // namespace rseq::cli
