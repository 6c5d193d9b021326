// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/client.h"
#include "cli/event_filter.h"
#include "cli/event_view.h"
#include "cli/output.h"
#include "cli/selection.h"
#include "cli/verb.h"
#include "core/file.h"

#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace rseq::cli {

namespace {

struct MonitorOptions {
    OutputOptions output;
    std::vector<std::string> targets;
    std::optional<std::string> kinds;
    std::optional<std::string> modes;
    std::string host;
};

/// The filter of the command line. Fails with EINVAL and a context that says all.
Result<EventFilter> parse_filter(const MonitorOptions& options) {
    EventFilter filter;
    filter.kinds.assign(default_event_kinds.begin(), default_event_kinds.end());
    if (options.kinds) {
        auto kinds = parse_event_kinds(*options.kinds);
        if (!kinds) {
            return tl::unexpected<Error>(std::move(kinds.error()));
        }
        filter.kinds = std::move(*kinds);
    }
    if (options.modes) {
        auto modes = parse_modes(*options.modes);
        if (!modes) {
            return tl::unexpected<Error>(std::move(modes.error()));
        }
        filter.modes = std::move(*modes);
    }
    auto targets = parse_targets(options.targets);
    if (!targets) {
        return tl::unexpected<Error>(std::move(targets.error()));
    }
    filter.targets = std::move(*targets);
    return filter;
}

Result<void> check_local_processes(const std::vector<pid_t>& pids) {
    if (pids.empty()) {
        return {};
    }
    return open_directory("/proc").and_then([&](UniqueFd root) -> Result<void> {
        const proc::ProcReader reader(std::move(root));
        for (const pid_t pid : pids) {
            if (auto exists = check_process(reader, pid); !exists) {
                return exists;
            }
        }
        return {};
    });
}

Result<void> check_remote_processes(Client& client, const std::vector<pid_t>& pids) {
    for (const pid_t pid : pids) {
        if (auto exists = client.check_process(pid); !exists) {
            return exists;
        }
    }
    return {};
}

/// Says which kinds will never come.
void remark_on_kinds(const std::vector<EventKind>& kinds, const DaemonFacts& facts) {
    std::string missing;
    for (const EventKind kind : kinds_not_offered(kinds, facts.events)) {
        missing += (missing.empty() ? "" : ", ") + std::string(to_string(kind));
    }
    if (!missing.empty()) {
        print_error("this kernel does not tell of " + missing);
    }
}

/// An interrupt is how this program ends: no failure, and nothing is left to be done. Also where a
/// reader who does not read keeps us in write(2).
void end_on_interrupt() {
    struct sigaction before {};
    if (::sigaction(SIGINT, nullptr, &before) != 0 || before.sa_handler == SIG_IGN) {
        return;
    }
    struct sigaction action {};
    action.sa_handler = [](int) {
        ::_exit(static_cast<int>(Exit::success));
    };
    ::sigaction(SIGINT, &action, nullptr);
}

class Monitor {
public:
    Monitor(Client& client, const EventFilter& filter, const OutputOptions& output)
        : client_(client), filter_(filter), output_(output) {
        output_.no_pager = true;
    }

    Exit run() {
        if (output_.json == JsonFormat::off && !output_.no_legend &&
            !show(event_table({}).to_text({.header = true, .colour = use_colour()}))) {
            return Exit::failure;
        }
        for (;;) {
            const auto notice = client_.next(STDOUT_FILENO);
            if (!notice) {
                return fail_with(Exit::failure, notice.error());
            }
            if (!std::visit([this](const auto& what) { return take(what); }, *notice)) {
                return Exit::failure;
            }
        }
    }

private:
    // Each returns false if this is the end.
    bool take(const BusEvent& event) {
        if (!filter_.wants(event)) {
            return true;
        }
        return show(output_.json == JsonFormat::off
                        ? event_table({event}).to_text({.header = false, .colour = use_colour()})
                        : dump(event_document(event), output_.json));
    }
    bool take(const EventsLost& lost) {
        print_error(lost_to_text(lost));
        return output_.json == JsonFormat::off || show(dump(lost_document(lost), output_.json));
    }
    bool take(const DaemonGone&) {
        print_error(client_.name() + " has ended");
        return false;
    }
    static bool take(const OutputClosed&) {
        static_cast<void>(::raise(SIGPIPE)); // as if there had been something to write
        print_error("cannot write the output: nobody reads it any more");
        return false;
    }
    bool show(const std::string& text) {
        if (auto printed = print(text, output_); !printed) {
            print_error(printed.error().message());
            return false;
        }
        return true;
    }

    Client& client_;
    const EventFilter& filter_;
    OutputOptions output_;
};

Exit run_monitor(const MonitorOptions& options) {
    const auto filter = parse_filter(options);
    if (!filter) {
        print_error(filter.error().context);
        return Exit::usage;
    }
    if (options.host.empty()) {
        if (auto exist = check_local_processes(filter->targets.pids); !exist) {
            return fail_with(not_found_or_failure(exist.error()), exist.error());
        }
    }
    auto client = Client::connect(options.host);
    if (!client) {
        if (!is_absent(client.error())) {
            return fail_with(Exit::failure, client.error());
        }
        const std::string where = options.host.empty() ? "" : "--host " + options.host + " ";
        print_error(client.error().context + "; 'systemctl " + where +
                    "start rseq-compatd' starts it");
        return Exit::failure;
    }
    if (!options.host.empty()) {
        if (auto exist = check_remote_processes(*client, filter->targets.pids); !exist) {
            return fail_with(not_found_or_failure(exist.error()), exist.error());
        }
    }
    if (auto subscribed = client->subscribe(filter->kinds); !subscribed) {
        return fail_with(Exit::failure, subscribed.error());
    }
    end_on_interrupt();
    remark_on_kinds(filter->kinds, client->facts());
    return Monitor(*client, *filter, options.output).run();
}

} // namespace

Verb add_monitor(Parser program) {
    auto options = std::make_shared<MonitorOptions>();
    const Parser verb = program.add_verb("monitor", "Show events as they happen");
    verb.add_option("TARGET", options->targets, "Processes or units (globs); all if none is given")
        .text("[PID|UNIT]...");
    verb.add_option("--kind", options->kinds,
                    "Only events of these kinds: registration, unregistration, refusal, policy, "
                    "violation, exec, exit, slice")
        .text("KIND[,KIND]...");
    verb.add_option("--mode", options->modes,
                    "Only events of registrations in these modes: v1, v2, mixed, none, unknown")
        .text("MODE[,MODE]...");
    add_host_option(verb, options->host);
    add_stream_options(verb, options->output);
    return {verb, [options] {
                return run_monitor(*options);
            }};
}

} // namespace rseq::cli
