// SPDX-License-Identifier: GPL-2.0-or-later
// The verbs of `rseqctl policy` that change something.
#include "cli/policy.h"
#include "cli/policy_bus.h"
#include "cli/policy_here.h"
#include "cli/policy_view.h"
#include "cli/word_option.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <utility>
#include <vector>

namespace rseq::cli {

namespace {

struct ChangeOptions {
    OutputOptions output;
    std::string host;
    std::string unit;
    config::UnitPolicy policy;
    bool runtime = false;
    bool dry_run = false;
};

/// Asks the daemon, or does it here if nobody is there to be asked.
template <class ByDaemon, class Here>
Exit carry_out(const ChangeOptions& options, const ByDaemon& by_daemon, const Here& here,
               const auto& exit_of) {
    auto client = reach(options.host, false);
    if (!client) {
        print_errors(client.error().context);
        return Exit::failure;
    }
    const bool has_daemon = client->has_value();
    if (!has_daemon && ::geteuid() != 0 && !options.dry_run) {
        print_error(only_root_can("change policies"));
        return Exit::failure;
    }
    const Result<enforce::ChangeReport> change = has_daemon ? by_daemon(**client) : here();
    if (!change) {
        print_errors(change.error().context);
        return change.error().code == ENOENT ? Exit::not_found : Exit::failure;
    }
    const Origin origin = has_daemon ? origin_of(**client, options.host) : origin_here();
    const std::string text =
        options.output.json == JsonFormat::off
            ? change_to_text(*change, !options.output.no_legend, use_colour())
            : dump(change_document(origin, *change, options.dry_run), options.output.json);
    return print_result(text, options.output, exit_of(*change));
}

bool has_failed(const enforce::ChangeReport& change) {
    return std::any_of(change.actions.begin(), change.actions.end(),
                       [](const auto& action) { return action.state == "failed"; });
}

/// Of one unit: what other rules cannot have is not its business.
Exit exit_of_one(const enforce::ChangeReport& change) {
    if (has_failed(change)) {
        return Exit::failure;
    }
    const bool is_out_of_reach =
        std::any_of(change.notes.begin(), change.notes.end(), [&](const auto& note) {
            return note.kind == "unenforceable" &&
                   std::find(change.files.begin(), change.files.end(), note.file) !=
                       change.files.end();
        });
    return is_out_of_reach ? Exit::unenforceable : Exit::success;
}

Exit exit_of_all(const enforce::ChangeReport& change) {
    return has_failed(change) ? Exit::failure
           : change.complete  ? Exit::success
                              : Exit::unenforceable;
}

Exit run_set(const ChangeOptions& options) {
    if (options.policy.empty()) {
        print_error("nothing to be set: give one of --mode, --slice, --glibc and --expect");
        return Exit::usage;
    }
    const auto lifetime = options.runtime ? config::Lifetime::runtime : config::Lifetime::permanent;
    return carry_out(
        options,
        [&](Client& client) { return set_policy(client, options.unit, options.policy, lifetime); },
        [&] { return set_here(options.unit, options.policy, lifetime); }, exit_of_one);
}

Exit run_unset(const ChangeOptions& options) {
    return carry_out(
        options, [&](Client& client) { return unset_policy(client, options.unit); },
        [&] { return unset_here(options.unit); }, exit_of_one);
}

Exit run_apply(const ChangeOptions& options) {
    return carry_out(
        options, [&](Client& client) { return apply_policies(client, options.dry_run); },
        [&] { return apply_here(options.dry_run); }, exit_of_all);
}

void add_unit_argument(Parser verb, ChangeOptions& options) {
    verb.add_option("UNIT", options.unit, "A unit, or a glob for units").text("UNIT").required();
}

} // namespace

Verb add_policy_set(Parser policy) {
    auto options = std::make_shared<ChangeOptions>();
    const Parser verb = policy.add_verb("set", "Write a rule for a unit, and apply it");
    add_unit_argument(verb, *options);
    add_mode_option(verb, options->policy.mode);
    add_slice_option(verb, options->policy.slice);
    add_word_option(verb, "--glibc", options->policy.glibc,
                    Words<bool>{{"on", true}, {"off", false}}, "Whether glibc registers by itself");
    add_word_option(verb, "--expect", options->policy.expect,
                    Words<Mode>{{"none", Mode::none}, {"v1", Mode::v1}, {"v2", Mode::v2}},
                    "The mode that its processes should be in");
    verb.add_flag("--runtime", options->runtime, "Only until the next boot");
    add_host_option(verb, options->host);
    add_output_options(verb, options->output);
    return {verb, [options] {
                return run_set(*options);
            }};
}

Verb add_policy_unset(Parser policy) {
    auto options = std::make_shared<ChangeOptions>();
    const Parser verb =
        policy.add_verb("unset", "Remove the rule that was set for a unit, and apply that");
    add_unit_argument(verb, *options);
    add_host_option(verb, options->host);
    add_output_options(verb, options->output);
    return {verb, [options] {
                return run_unset(*options);
            }};
}

Verb add_policy_apply(Parser policy) {
    auto options = std::make_shared<ChangeOptions>();
    const Parser verb = policy.add_verb("apply", "Apply all rules once more");
    verb.add_flag("--dry-run", options->dry_run, "Show what would be done, and do nothing");
    add_host_option(verb, options->host);
    add_output_options(verb, options->output);
    return {verb, [options] {
                return run_apply(*options);
            }};
}

} // namespace rseq::cli
