// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/client.h"
#include "cli/journal_reader.h"
#include "cli/limit.h"
#include "cli/output.h"
#include "cli/selection.h"
#include "cli/verb.h"
#include "cli/violations_view.h"
#include "proc/unit_pattern.h"

#include <algorithm>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace rseq::cli {

namespace {

struct ViolationsOptions {
    OutputOptions output;
    std::vector<std::string> targets;
    std::string since;
    std::string directory;
    std::string host;
};

struct Found {
    std::string_view source;
    std::vector<Killed> killed;
};

std::uint64_t now_usec() {
    return static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::microseconds>(
                                          std::chrono::system_clock::now().time_since_epoch())
                                          .count());
}

Result<Found> from_daemon(const std::string& host, std::optional<std::uint64_t> since) {
    auto client = Client::connect(host);
    if (!client) {
        return is_absent(client.error()) ? fail(0, client.error().context)
                                         : tl::unexpected<Error>(std::move(client.error()));
    }
    return client->violations().map([&](std::vector<Killed> killed) {
        std::erase_if(killed, [&](const Killed& one) { return since && one.time_usec < *since; });
        return Found{"rseq-compatd", std::move(killed)};
    });
}

/// The journal has all of them; the daemon the last ones, since it started, for users who may not
/// read the journal.
Result<Found> find(const ViolationsOptions& options, std::optional<std::uint64_t> since) {
    if (!options.host.empty()) {
        return from_daemon(options.host, since);
    }
    limit_time("violations: reading the journal");
    auto killed = read_violations(options.directory, since);
    unlimit_time();
    if (killed) {
        return Found{"journal", std::move(*killed)};
    }
    if (!options.directory.empty()) {
        return tl::unexpected<Error>(std::move(killed.error()));
    }
    auto told = from_daemon("", since);
    if (!told) {
        return fail(0, killed.error().context + ", and " + told.error().message());
    }
    print_error(killed.error().message() +
                "; these are the last ones that rseq-compatd saw since it started");
    return told;
}

bool is_wanted(const Killed& killed, const Targets& targets,
               const std::vector<proc::UnitPattern>& units) {
    if (targets.pids.empty() && units.empty()) {
        return true;
    }
    const std::string name = proc::unit_of_cgroup(killed.cgroup).name;
    return std::find(targets.pids.begin(), targets.pids.end(), killed.pid) != targets.pids.end() ||
           std::any_of(units.begin(), units.end(), [&](const proc::UnitPattern& pattern) {
               return pattern.matches(name, killed.unit);
           });
}

Exit run_violations(const ViolationsOptions& options) {
    const auto targets = parse_targets(options.targets);
    if (!targets) {
        print_error(targets.error().context);
        return Exit::usage;
    }
    std::optional<std::uint64_t> since;
    if (!options.since.empty()) {
        const auto time = parse_since(options.since, now_usec());
        if (!time) {
            print_error(time.error().context);
            return Exit::usage;
        }
        since = *time;
    }
    if (!options.host.empty() && !options.directory.empty()) {
        print_error("--host does not go with --directory");
        return Exit::usage;
    }
    auto found = find(options, since);
    if (!found) {
        print_error(found.error().message());
        return Exit::failure;
    }
    const std::vector<proc::UnitPattern> units(targets->units.begin(), targets->units.end());
    std::erase_if(found->killed,
                  [&](const Killed& one) { return !is_wanted(one, *targets, units); });
    const auto groups = group(std::move(found->killed));
    const std::string text =
        options.output.json == JsonFormat::off
            ? violations_to_text(groups, !options.output.no_legend, use_colour())
            : dump(violations_to_json(groups, found->source), options.output.json);
    return print_result(text, options.output, Exit::success);
}

} // namespace

Verb add_violations(Parser program) {
    auto options = std::make_shared<ViolationsOptions>();
    const Parser verb =
        program.add_verb("violations", "Show who was killed for what it did with its registration");
    verb.add_option("TARGET", options->targets, "Processes or units (globs); all if none is given")
        .text("[PID|UNIT]...");
    verb.add_option("--since", options->since,
                    "Only those since then, as today, 2h or 2026-01-31 12:00")
        .text("TIME");
    verb.add_option("-D,--directory", options->directory, "Read the journal files in this folder")
        .text("FOLDER");
    add_host_option(verb, options->host);
    add_output_options(verb, options->output);
    return {verb, [options] {
                return run_violations(*options);
            }};
}

} // namespace rseq::cli
