// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/kernel_view.h"
#include "cli/output.h"
#include "cli/selection.h"
#include "cli/status_view.h"
#include "cli/verb.h"
#include "core/escape.h"
#include "core/file.h"
#include "snapshot/snapshot.h"
#include "verify/classify.h"

#include <cerrno>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace rseq::cli {

namespace {

struct StatusOptions {
    OutputOptions output;
    std::vector<std::string> targets;
    std::optional<std::string> modes;
    std::vector<std::string> units;
    bool threads = false;
    bool probe = false;
    bool all = false;
};

Exit fail_with(Exit status, const Error& error) {
    print_error(error.message());
    return status;
}

std::string to_text(const KernelFacts& facts, const snapshot::Snapshot& snapshot,
                    const StatusOptions& options) {
    const Table table =
        options.threads ? thread_table(snapshot.processes) : process_table(snapshot.processes);
    const bool legend = !options.output.no_legend;
    std::string text = legend ? kernel_to_text(facts) + "\n" : "";
    text += table.to_text({.header = legend, .colour = use_colour()});
    if (const std::string remark = unknown_remark(snapshot, options.probe);
        legend && !remark.empty()) {
        text += "\n" + escape_untrusted(remark) + "\n";
    }
    return text;
}

Exit run_status(const StatusOptions& options) {
    const auto targets = parse_targets(options.targets);
    if (!targets) {
        print_error(targets.error().context);
        return Exit::usage;
    }
    const auto modes = options.modes ? parse_modes(*options.modes) : std::vector<Mode>();
    if (!modes) {
        print_error(modes.error().context);
        return Exit::usage;
    }
    auto root = open_directory("/proc");
    if (!root) {
        return fail_with(Exit::failure, root.error());
    }
    const proc::ProcReader reader(std::move(*root));
    for (const pid_t pid : targets->pids) {
        if (auto exists = check_process(reader, pid); !exists) {
            return fail_with(Exit::not_found, exists.error());
        }
    }

    snapshot::Options wanted{.probe = options.probe,
                             .threads = options.threads,
                             .kernel_threads = options.all || !targets->pids.empty(),
                             .only = std::nullopt};
    if (!targets->pids.empty() && targets->units.empty()) {
        wanted.only = targets->pids;
    }
    const KernelFacts facts = verify::classify();
    auto snapshot = snapshot::take(reader, facts, wanted);
    if (!snapshot) {
        return fail_with(Exit::failure, snapshot.error());
    }
    if (auto done = select(snapshot->processes, *targets, *modes, options.units); !done) {
        print_error(done.error().context);
        return Exit::not_found;
    }

    const std::string text =
        options.output.json == JsonFormat::off
            ? to_text(facts, *snapshot, options)
            : dump(status_document(facts, *snapshot, options.threads), options.output.json);
    if (auto printed = print(text, options.output); !printed) {
        return fail_with(Exit::failure, printed.error());
    }
    return Exit::success;
}

} // namespace

Verb add_status(CLI::App& program) {
    auto options = std::make_shared<StatusOptions>();
    CLI::App* verb =
        program.add_subcommand("status", "Show the kernel, and the rseq mode of every process");
    verb->add_option("TARGET", options->targets, "Processes or units (globs); all if none is given")
        ->option_text("[PID|UNIT]...");
    verb->add_flag("--threads", options->threads, "One row for each thread");
    verb->add_option("--mode", options->modes,
                     "Only processes in these modes: v1, v2, mixed, none, unknown")
        ->option_text("MODE[,MODE]...");
    verb->add_option("--unit", options->units, "Only processes of units that match the glob")
        ->option_text("GLOB")
        ->allow_extra_args(false); // what follows the glob is a target
    verb->add_flag("--probe", options->probe,
                   "Ask every thread with ptrace, which stops it for microseconds");
    verb->add_flag("--all", options->all, "Kernel threads too");
    add_output_options(*verb, options->output);
    return {verb, [options] {
                return run_status(*options);
            }};
}

} // namespace rseq::cli
