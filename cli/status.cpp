// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/answer.h"
#include "cli/client.h"
#include "cli/kernel_view.h"
#include "cli/output.h"
#include "cli/selection.h"
#include "cli/status_view.h"
#include "cli/verb.h"
#include "core/escape.h"
#include "core/file.h"

#include <algorithm>
#include <cerrno>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace rseq::cli {

namespace {

struct StatusOptions {
    OutputOptions output;
    std::vector<std::string> targets;
    std::optional<std::string> modes;
    std::vector<std::string> units;
    std::string host;
    bool threads = false;
    bool probe = false;
    bool all = false;
    bool direct = false;
};

std::string to_text(const Answer& answer, const StatusOptions& options) {
    const auto& [origin, facts, snapshot] = answer;
    const Table table =
        options.threads ? thread_table(snapshot.processes) : process_table(snapshot.processes);
    const bool legend = !options.output.no_legend;
    std::string text = legend ? kernel_to_text(facts) + origin_to_text(origin) + "\n" : "";
    text += table.to_text({.header = legend, .colour = use_colour()});
    if (const std::string remark = unknown_remark(snapshot, origin); legend && !remark.empty()) {
        text += "\n" + escape_untrusted(remark) + "\n";
    }
    return text;
}

/// The numbers that were named have to be processes there.
Result<void> check_processes(const std::vector<pid_t>& pids, const Answer& answer) {
    for (const pid_t pid : pids) {
        const auto& processes = answer.snapshot.processes;
        if (std::none_of(processes.begin(), processes.end(),
                         [&](const auto& process) { return process.key.pid == pid; })) {
            return fail(ESRCH, "process " + std::to_string(pid) + " on " + answer.origin.host);
        }
    }
    return {};
}

Exit show(const Question& question, Answer answer, const std::vector<Mode>& modes,
          const StatusOptions& options) {
    if (auto done = select(answer.snapshot.processes, question.targets, modes, options.units);
        !done) {
        print_error(done.error().context);
        return Exit::not_found;
    }
    const std::string text =
        options.output.json == JsonFormat::off
            ? to_text(answer, options)
            : dump(status_document(answer.origin, answer.facts, answer.snapshot, options.threads),
                   options.output.json);
    return print_result(text, options.output, Exit::success);
}

Exit run_here(const Question& question, const std::vector<Mode>& modes,
              const StatusOptions& options) {
    auto root = open_directory("/proc");
    if (!root) {
        return fail_with(Exit::failure, root.error());
    }
    const proc::ProcReader reader(std::move(*root));
    for (const pid_t pid : question.targets.pids) {
        if (auto exists = check_process(reader, pid); !exists) {
            return fail_with(not_found_or_failure(exists.error()), exists.error());
        }
    }
    auto answer = ask(reader, question);
    return answer ? show(question, std::move(*answer), modes, options)
                  : fail_with(Exit::failure, answer.error());
}

Exit run_elsewhere(const Question& question, const std::vector<Mode>& modes,
                   const StatusOptions& options) {
    auto answer = ask_daemon(options.host, question);
    if (!answer) {
        print_error(is_absent(answer.error()) ? answer.error().context : answer.error().message());
        return Exit::failure;
    }
    if (auto found = check_processes(question.targets.pids, *answer); !found) {
        return fail_with(Exit::not_found, found.error());
    }
    return show(question, std::move(*answer), modes, options);
}

Exit run_status(const StatusOptions& options) {
    auto targets = parse_targets(options.targets);
    if (!targets) {
        print_error(targets.error().context);
        return Exit::usage;
    }
    const auto modes = options.modes ? parse_modes(*options.modes) : std::vector<Mode>();
    if (!modes) {
        print_error(modes.error().context);
        return Exit::usage;
    }
    if (!options.host.empty() && (options.direct || options.probe)) {
        print_error("the kernel of another machine cannot be read: --host goes with neither "
                    "--direct nor --probe");
        return Exit::usage;
    }
    const Question question{.targets = std::move(*targets),
                            .threads = options.threads,
                            .all = options.all,
                            .probe = options.probe,
                            .direct = options.direct};
    return options.host.empty() ? run_here(question, *modes, options)
                                : run_elsewhere(question, *modes, options);
}

} // namespace

Verb add_status(Parser program) {
    auto options = std::make_shared<StatusOptions>();
    const Parser verb =
        program.add_verb("status", "Show the kernel, and the rseq mode of every process");
    verb.add_option("TARGET", options->targets, "Processes or units (globs); all if none is given")
        .text("[PID|UNIT]...");
    verb.add_flag("--threads", options->threads, "One row for each thread");
    verb.add_option("--mode", options->modes,
                    "Only processes in these modes: v1, v2, mixed, none, unknown")
        .text("MODE[,MODE]...");
    verb.add_option("--unit", options->units, "Only processes of units that match the glob")
        .text("GLOB")
        .single(); // what follows the glob is a target
    verb.add_flag("--direct", options->direct, "Read the kernel even if rseq-compatd runs");
    verb.add_flag("--probe", options->probe,
                  "Ask every thread with ptrace, which stops it for microseconds");
    verb.add_flag("--all", options->all, "Kernel threads too");
    add_host_option(verb, options->host);
    add_output_options(verb, options->output);
    return {verb, [options] {
                return run_status(*options);
            }};
}

} // namespace rseq::cli
