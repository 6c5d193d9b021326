// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/bench_run.h"
#include "cli/kernel_view.h"

#include <fmt/format.h>

#include <algorithm>

namespace rseq::cli {

namespace {

constexpr int bench_schema_version = 1;
constexpr std::size_t v1 = 1;
constexpr std::size_t v2 = 2;

Cell ns_cell(double ns) {
    return {fmt::format("{:.1f}", ns), ns, Style::plain};
}

Table table_of(const BenchSamples& samples) {
    Table table({{"OPERATION", "operation"},
                 {"REGISTRATION", "registration"},
                 {"MEDIAN NS", "median_ns", Align::right},
                 {"LOW", "low_ns", Align::right},
                 {"HIGH", "high_ns", Align::right}});
    for (std::size_t i = 0; i < bench_operations.size(); ++i) {
        for (std::size_t which = 0; which < bench_registrations.size(); ++which) {
            if (samples.ns[i][which].empty()) {
                continue;
            }
            const Spread spread = spread_of(samples.ns[i][which]);
            table.add({Cell::word(bench_operations[i]), Cell::word(bench_registrations[which]),
                       ns_cell(spread.median), ns_cell(spread.low), ns_cell(spread.high)});
        }
    }
    return table;
}

} // namespace

Spread spread_of(std::vector<double> values) {
    std::sort(values.begin(), values.end());
    const std::size_t last = values.size() - 1;
    return {values[last / 4], values[last / 2], values[last - last / 4]};
}

std::string bench_conclusion(const BenchSamples& samples) {
    std::string gains;
    for (std::size_t i = 0; i < bench_operations.size(); ++i) {
        if (samples.ns[i][v2].empty()) {
            return "This kernel has no v2 beside v1: there is nothing to move to.";
        }
        const Spread legacy = spread_of(samples.ns[i][v1]);
        const Spread optimized = spread_of(samples.ns[i][v2]);
        // Quartiles that overlap are what chance makes of equal costs.
        if (optimized.high < legacy.low || legacy.high < optimized.low) {
            const double difference = legacy.median - optimized.median;
            gains += fmt::format("{}{:.1f} ns {} per {}", gains.empty() ? "" : ", ",
                                 difference < 0 ? -difference : difference,
                                 difference < 0 ? "more" : "less", bench_operations[i]);
        }
    }
    return gains.empty() ? "The difference between v1 and v2 is within the noise of this machine."
                         : "In v2 a process pays " + gains + " than in v1.";
}

std::string bench_to_text(const BenchSamples& samples, bool legend, bool colour) {
    std::string text = table_of(samples).to_text({.header = legend, .colour = colour});
    if (legend) {
        text += fmt::format("\n{} rounds on processor {}. {}\n", samples.rounds, samples.cpu,
                            bench_conclusion(samples));
    }
    return text;
}

Json bench_to_json(const KernelFacts& facts, const BenchSamples& samples) {
    return {{"schema", "rseq-compat/bench"},
            {"version", bench_schema_version},
            {"kernel", kernel_to_json(facts)},
            {"cpu", samples.cpu},
            {"rounds", samples.rounds},
            {"results", table_of(samples).to_json()},
            {"conclusion", bench_conclusion(samples)}};
}

} // namespace rseq::cli
