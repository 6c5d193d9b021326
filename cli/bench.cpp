// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/bench_run.h"
#include "cli/output.h"
#include "cli/verb.h"
#include "verify/classify.h"

#include <memory>

namespace rseq::cli {

namespace {

struct BenchOptions {
    OutputOptions output;
    unsigned rounds = 15;
};

Exit run(const BenchOptions& options) {
    const KernelFacts facts = verify::classify();
    if (facts.kernel_class == KernelClass::unknown ||
        facts.kernel_class == KernelClass::unsupported) {
        print_error("there is nothing to compare: " + facts.class_reason);
        return Exit::failure;
    }
    const auto samples = run_bench(facts, options.rounds);
    if (!samples) {
        print_error(samples.error().message());
        return Exit::failure;
    }
    const std::string text = options.output.json == JsonFormat::off
                                 ? bench_to_text(*samples, !options.output.no_legend, use_colour())
                                 : dump(bench_to_json(facts, *samples), options.output.json);
    return print_result(text, options.output, Exit::success);
}

} // namespace

Verb add_bench(Parser program) {
    auto options = std::make_shared<BenchOptions>();
    const Parser verb =
        program.add_verb("bench", "Measure what registrations of each mode cost here");
    verb.add_option("--rounds", options->rounds, "How many rounds, 15 unless told")
        .text("N")
        .range(3U, 1000U);
    add_output_options(verb, options->output);
    return {verb, [options] {
                return run(*options);
            }};
}

} // namespace rseq::cli
