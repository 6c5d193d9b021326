// SPDX-License-Identifier: GPL-2.0-or-later
#include "explain/explain.h"

#include "cli/answer.h"
#include "cli/client.h"
#include "cli/explain_view.h"
#include "cli/limit.h"
#include "cli/output.h"
#include "cli/selection.h"
#include "cli/verb.h"
#include "core/file.h"
#include "verify/classify.h"

#include <algorithm>
#include <cerrno>
#include <memory>
#include <string>
#include <utility>

namespace rseq::cli {

namespace {

struct ExplainOptions {
    OutputOptions output;
    std::string pid;
    bool probe = false;
};

/// What only the daemon can know: refused attempts, which leave no trace in the process; and the
/// mode, where this program may not see it.
void ask_daemon_of(explain::Findings& evidence) {
    auto client = Client::connect("");
    if (!client) {
        evidence.refusals = tl::unexpected<Error>(
            is_absent(client.error()) ? Error{0, client.error().context} : client.error());
        return;
    }
    const pid_t pid = evidence.process.key.pid;
    if (evidence.process.mode() == Mode::unknown) {
        if (auto snapshot = client->snapshot(true, true)) {
            for (snapshot::Process& process : snapshot->processes) {
                if (process.key == evidence.process.key) {
                    evidence.process = std::move(process);
                    evidence.process_unknown_reason = snapshot->unknown_reason;
                }
            }
        }
    }
    auto details = client->details(pid);
    if (!details) {
        evidence.refusals = tl::unexpected<Error>(std::move(details.error()));
    } else if (details->start_ticks != evidence.process.key.start_ticks) {
        evidence.refusals = fail(0, "the daemon does not know this process");
    } else {
        evidence.refusals = std::move(details->refusals);
    }
}

Result<explain::Findings> gather(const proc::ProcReader& reader, int proc, pid_t pid, bool probe,
                                 const KernelFacts& facts) {
    const Question question{
        .targets = {{pid}, {}}, .threads = true, .all = true, .probe = probe, .direct = true};
    auto answer = ask_kernel(reader, question, facts);
    if (!answer) {
        return tl::unexpected<Error>(std::move(answer.error()));
    }
    if (answer->snapshot.processes.empty()) {
        return fail(ESRCH, "process " + std::to_string(pid));
    }
    explain::Findings evidence;
    evidence.kernel = std::move(answer->facts);
    evidence.process = std::move(answer->snapshot.processes.front());
    evidence.process_unknown_reason = std::move(answer->snapshot.unknown_reason);
    if (!evidence.process.kernel_thread) {
        if (auto done = explain::read_process(proc, evidence.process.key, evidence); !done) {
            return tl::unexpected<Error>(std::move(done.error()));
        }
    }
    return evidence;
}

Exit run_explain(const ExplainOptions& options) {
    const auto targets = parse_targets({options.pid});
    if (!targets || targets->pids.empty()) {
        print_error(targets ? options.pid + " is not the number of a process"
                            : targets.error().context);
        return Exit::usage;
    }
    const pid_t pid = targets->pids.front();
    auto root = open_directory("/proc");
    auto files = open_directory("/proc");
    if (!root || !files) {
        print_error(!root ? root.error().message() : files.error().message());
        return Exit::failure;
    }
    const proc::ProcReader reader(std::move(*root));
    if (auto exists = check_process(reader, pid); !exists) {
        return fail_with(not_found_or_failure(exists.error()), exists.error());
    }
    const KernelFacts facts = verify::classify();
    // A file that is mapped may be on a file system that does not answer.
    limit_time("explain: reading the files of process " + options.pid);
    auto evidence = gather(reader, files->get(), pid, options.probe, facts);
    unlimit_time();
    if (!evidence) {
        return fail_with(not_found_or_failure(evidence.error()), evidence.error());
    }
    ask_daemon_of(*evidence);

    const explain::Explanation explanation = explain::explain(*evidence);
    const std::string text =
        options.output.json == JsonFormat::off
            ? explain_to_text(*evidence, explanation, !options.output.no_legend, use_colour())
            : dump(explain_to_json(*evidence, explanation), options.output.json);
    return print_result(text, options.output,
                        explanation.conclusion.empty() ? Exit::unknown : Exit::success);
}

} // namespace

Verb add_explain(Parser program) {
    auto options = std::make_shared<ExplainOptions>();
    const Parser verb =
        program.add_verb("explain", "Say why a process is in its mode, and what would change it");
    verb.add_option("PID", options->pid, "The process").text("PID").required();
    verb.add_flag("--probe", options->probe,
                  "Ask every thread with ptrace, which stops it for microseconds");
    add_output_options(verb, options->output);
    return {verb, [options] {
                return run_explain(*options);
            }};
}

} // namespace rseq::cli
