// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/answer.h"
#include "cli/client.h"
#include "cli/export_data.h"
#include "cli/limit.h"
#include "cli/output.h"
#include "cli/policy_bus.h"
#include "cli/verb.h"
#include "cli/word_option.h"
#include "core/file.h"
#include "core/slice_length.h"
#include "verify/classify.h"
#include "verify/v1.h"

#include <chrono>
#include <memory>
#include <string>
#include <utility>

namespace rseq::cli {

namespace {

struct ExportOptions {
    std::string format;
    std::string output;
};

void test_kernel(ExportData& data) {
    const auto kernel = verify::running_kernel();
    data.kernel = verify::classify(*kernel);
    data.guarantees = verify::verify_v1(*kernel);
}

Result<void> read_kernel(ExportData& data) {
    auto root = open_directory("/proc");
    if (!root) {
        return tl::unexpected<Error>(std::move(root.error()));
    }
    const proc::ProcReader reader(std::move(*root));
    const auto answer = ask_kernel(reader, Question{}, data.kernel);
    if (!answer) {
        return tl::unexpected<Error>(answer.error());
    }
    for (const snapshot::Process& process : answer->snapshot.processes) {
        ++data.processes[process.mode()];
        data.threads.add(Mode::v1, process.threads.v1);
        data.threads.add(Mode::v2, process.threads.v2);
        data.threads.add(Mode::none, process.threads.none);
        data.threads.add(Mode::unknown, process.threads.unknown);
    }
    data.kernel_errors += answer->snapshot.unknown_reason.empty() ? 0U : 1U;
    if (data.kernel.abi > 0) {
        auto uses = read_slice_uses(reader);
        data.kernel_errors += uses ? uses->unread : 1U;
        if (uses) {
            data.slices = std::move(uses->total);
        }
    }
    if (data.kernel.slices == Availability::yes) {
        const auto length = read_slice_length();
        data.kernel_errors += length ? 0U : 1U;
        if (length) {
            data.slice_length_ns = *length;
        }
    }
    return {};
}

/// A daemon that is not there is no error: rseq_daemon_up says it.
void read_daemon(ExportData& data) {
    auto client = Client::connect("");
    if (!client) {
        data.daemon_errors += is_absent(client.error()) ? 0U : 1U;
        return;
    }
    ExportData::Daemon daemon;
    daemon.facts = client->facts();
    auto policies = list_policies(*client);
    data.daemon_errors += policies ? 0U : 1U;
    if (policies) {
        daemon.policies = std::move(*policies);
    }
    data.daemon = std::move(daemon);
}

Result<void> write_to(const std::string& path, const std::string& text) {
    const std::size_t slash = path.rfind('/');
    const std::string name = path.substr(slash + 1);
    if (name.empty()) {
        return fail(EISDIR, "cannot write " + path);
    }
    const std::string folder = slash == std::string::npos ? "."
                               : slash == 0               ? "/"
                                                          : path.substr(0, slash);
    return open_directory(folder).and_then([&](const UniqueFd& dir) {
        constexpr mode_t for_all_to_read = 0644;
        return replace_file(dir.get(), name, text, for_all_to_read);
    });
}

Exit run_export(const ExportOptions& options) {
    ExportData data;
    data.time_usec =
        static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::microseconds>(
                                       std::chrono::system_clock::now().time_since_epoch())
                                       .count());
    test_kernel(data);
    limit_time("export: reading the kernel");
    auto done = read_kernel(data);
    unlimit_time();
    if (!done) {
        print_error(done.error().message());
        return Exit::failure;
    }
    read_daemon(data);
    const std::string text = options.format == "json"
                                 ? dump(export_to_json(data), JsonFormat::short_form)
                                 : export_to_prometheus(data);
    auto written =
        options.output.empty() ? print(text, {.no_pager = true}) : write_to(options.output, text);
    if (!written) {
        print_error(written.error().message());
        return Exit::failure;
    }
    return Exit::success;
}

} // namespace

Verb add_export(Parser program) {
    auto options = std::make_shared<ExportOptions>();
    const Parser verb = program.add_verb("export", "Print numbers for monitoring systems");
    add_word_option(verb, "--format", options->format,
                    Words<std::string>{{"prometheus", "prometheus"}, {"json", "json"}},
                    "What to print")
        .text("FORMAT")
        .required();
    verb.add_option("--output", options->output, "Replace this file, as a whole").text("FILE");
    return {verb, [options] {
                return run_export(*options);
            }};
}

} // namespace rseq::cli
