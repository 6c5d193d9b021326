// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/client.h"
#include "cli/limit.h"
#include "cli/message_reader.h"
#include "cli/output.h"
#include "cli/selection.h"
#include "cli/slice_view.h"
#include "cli/verb.h"
#include "config/write.h"
#include "core/file.h"
#include "core/parse.h"
#include "core/slice_length.h"
#include "trace/reader.h"
#include "verify/classify.h"

#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace rseq::cli {

namespace {

using Clock = std::chrono::steady_clock;

struct SliceOptions {
    OutputOptions output;
    std::vector<std::string> words;
    double duration = 10;
    bool runtime = false;
};

Exit run_show(const SliceOptions& options) {
    SliceReport report;
    report.kernel = verify::classify();
    limit_time("slice: reading the kernel");
    report.length =
        report.kernel.slices == Availability::no ? fail(0, "there are none") : read_slice_length();
    report.uses = open_directory("/proc").and_then(
        [](UniqueFd root) { return read_slice_uses(proc::ProcReader(std::move(root))); });
    unlimit_time();
    return print_result(options.output.json == JsonFormat::off
                            ? slice_to_text(report, !options.output.no_legend, use_colour())
                            : dump(slice_to_json(report), options.output.json),
                        options.output, Exit::success);
}

/// By the daemon, or here if nobody is there to be asked.
Result<std::string> set_length(std::uint32_t length_ns, config::Lifetime lifetime) {
    auto client = reach("", false);
    if (!client) {
        return tl::unexpected<Error>(std::move(client.error()));
    }
    if (!client->has_value()) {
        return ::geteuid() == 0 ? config::set_slice_length("", length_ns, lifetime)
                                : fail(0, only_root_can("set the length"));
    }
    auto reply = (*client)->change("SetSliceLength", [&](sd_bus_message* call) {
        return sd_bus_message_append(call, "ub", length_ns,
                                     lifetime == config::Lifetime::runtime ? 1 : 0);
    });
    if (!reply) {
        return tl::unexpected<Error>(std::move(reply.error()));
    }
    constexpr std::size_t path_limit = 4096;
    MessageReader in(reply->get());
    std::string file = in.string(path_limit);
    auto done = in.finish("what rseq-compatd says");
    return done ? Result<std::string>(std::move(file)) : tl::unexpected<Error>(done.error());
}

Exit run_set_length(const std::string& word, bool runtime) {
    const auto length = parse_number<std::uint32_t>(word);
    if (!length || *length < least_slice_ns || *length > most_slice_ns) {
        return fail_with(Exit::usage,
                         fmt::format("'{}' is no length of a slice: {} to {} nanoseconds", word,
                                     least_slice_ns, most_slice_ns));
    }
    const auto file =
        set_length(*length, runtime ? config::Lifetime::runtime : config::Lifetime::permanent);
    if (!file) {
        print_errors(file.error().context);
        return Exit::failure;
    }
    return Exit::success;
}

/// What the kernel tells in that time, of one process, or of all if it is 0.
Result<std::uint64_t> listen(pid_t pid, std::chrono::duration<double> duration,
                             SliceHistogram& histogram) {
    trace::ReaderOptions wanted;
    wanted.instance.name = "rseqctl-" + std::to_string(::getpid());
    auto reader = trace::Reader::open(wanted);
    if (!reader) {
        return tl::unexpected<Error>(std::move(reader.error()));
    }
    if (auto on = reader->set_slices(true); !on) {
        return tl::unexpected<Error>(std::move(on.error()));
    }
    const auto end = Clock::now() + std::chrono::duration_cast<Clock::duration>(duration);
    std::uint64_t lost = 0;
    for (bool last = false; !last;) {
        constexpr int step_ms = 20;
        last = Clock::now() >= end;
        pollfd watched{reader->fd(), POLLIN, 0};
        static_cast<void>(::poll(&watched, 1, step_ms));
        do {
            auto drained = reader->drain();
            if (!drained) {
                return tl::unexpected<Error>(std::move(drained.error()));
            }
            lost += drained->lost;
            for (const Event& event : drained->events) {
                const auto* ended = std::get_if<event::SliceEnded>(&event.payload);
                if (ended != nullptr && (pid == 0 || pid == ended->tgid)) {
                    histogram.add(ended->reason, ended->held_ns);
                }
            }
        } while (reader->pending() && Clock::now() < end);
    }
    return lost;
}

Exit run_hist(const std::vector<std::string>& words, const SliceOptions& options) {
    const auto targets = parse_targets(words);
    if (!targets || !targets->units.empty()) {
        return fail_with(Exit::usage,
                         targets ? targets->units.front() + " is not the number of a process"
                                 : targets.error().context);
    }
    const auto pid = targets->pids.empty() ? 0 : targets->pids.front();
    if (pid != 0) {
        auto exists = open_directory("/proc").and_then(
            [&](UniqueFd root) { return check_process(proc::ProcReader(std::move(root)), pid); });
        if (!exists) {
            return fail_with(not_found_or_failure(exists.error()), exists.error());
        }
    }
    SliceHistogram histogram;
    const auto lost = listen(pid, std::chrono::duration<double>(options.duration), histogram);
    if (!lost) {
        return fail_with(Exit::failure, lost.error().message());
    }
    if (*lost > 0) {
        print_error(fmt::format("{} events were lost: there were more slices than these", *lost));
    }
    constexpr std::size_t bar_width = 40;
    return print_result(options.output.json == JsonFormat::off
                            ? histogram.to_text(bar_width)
                            : dump(histogram.to_json(options.duration, *lost), options.output.json),
                        options.output, Exit::success);
}

Exit run_slice(const SliceOptions& options) {
    if (options.words.empty()) {
        return run_show(options);
    }
    const std::string& action = options.words.front();
    const std::vector<std::string> rest(options.words.begin() + 1, options.words.end());
    if (action == "set-length" && rest.size() == 1) {
        return run_set_length(rest.front(), options.runtime);
    }
    if (action == "hist" && rest.size() <= 1) {
        return run_hist(rest, options);
    }
    return fail_with(Exit::usage, "slice takes nothing, or set-length NS, or hist [PID]");
}

} // namespace

Verb add_slice(Parser program) {
    auto options = std::make_shared<SliceOptions>();
    const Parser verb =
        program.add_verb("slice", "Show time slice extensions, set their length, measure them");
    verb.add_option("ACTION", options->words, "To show them, none; or set-length NS, or hist [PID]")
        .text("[WORD]...");
    verb.add_option("--duration", options->duration, "With hist, for so long")
        .text("SECONDS")
        .range(0.0, 86400.0);
    verb.add_flag("--runtime", options->runtime, "With set-length, until the next boot only");
    add_output_options(verb, options->output);
    return {verb, [options] {
                return run_slice(*options);
            }};
}

} // namespace rseq::cli
