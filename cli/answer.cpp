// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/answer.h"

#include "cli/client.h"
#include "cli/output.h"
#include "verify/classify.h"

#include <algorithm>
#include <utility>

namespace rseq::cli {

namespace {

/// One that was named is wanted whatever it is.
bool wants_kernel_threads(const Question& question) {
    return question.all || !question.targets.pids.empty();
}

/// Whether the numbers that were named are those of the same processes here and in the answer.
bool means_the_same(const proc::ProcReader& reader, const Question& question,
                    const snapshot::Snapshot& snapshot) {
    const auto is_same = [&](pid_t pid) {
        auto dir = reader.open(pid);
        const auto identity = dir ? dir->identity() : fail(dir.error().code, "");
        return identity &&
               std::any_of(snapshot.processes.begin(), snapshot.processes.end(),
                           [&](const snapshot::Process& process) {
                               return process.key == ProcessKey{pid, identity->start_ticks};
                           });
    };
    return std::all_of(question.targets.pids.begin(), question.targets.pids.end(), is_same);
}

} // namespace

Result<Answer> ask_kernel(const proc::ProcReader& reader, const Question& question,
                          const KernelFacts& facts) {
    snapshot::Options options{.probe = question.probe,
                              .threads = question.threads,
                              .kernel_threads = wants_kernel_threads(question),
                              .only = std::nullopt};
    if (!question.targets.pids.empty() && question.targets.units.empty()) {
        options.only = question.targets.pids;
    }
    return snapshot::take(reader, facts, options).map([&](snapshot::Snapshot snapshot) {
        const Asked asked = question.probe ? Asked::ptrace : Asked::kernel;
        return Answer{{asked, RSEQ_VERSION, ""}, facts, std::move(snapshot)};
    });
}

Result<Answer> ask_daemon(const std::string& host, const Question& question) {
    auto client = Client::connect(host);
    if (!client) {
        return tl::unexpected<Error>(std::move(client.error()));
    }
    return client->snapshot(question.threads, wants_kernel_threads(question))
        .map([&](snapshot::Snapshot snapshot) {
            return Answer{{Asked::daemon, client->facts().version, host},
                          client->facts().kernel,
                          std::move(snapshot)};
        });
}

Result<Answer> ask(const proc::ProcReader& reader, const Question& question) {
    if (question.direct || question.probe) {
        return ask_kernel(reader, question, verify::classify());
    }
    auto answer = ask_daemon("", question);
    if (answer && means_the_same(reader, question, answer->snapshot)) {
        return answer;
    }
    if (!answer && !is_absent(answer.error())) {
        print_error(answer.error().message() + "; reading the kernel directly");
    }
    return ask_kernel(reader, question, verify::classify());
}

} // namespace rseq::cli
