// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include "core/kernel_facts.h"
#include "core/result.h"
#include "table/table.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace rseq::cli {

inline constexpr std::array<std::string_view, 3> bench_operations{"context-switch", "syscall",
                                                                  "signal"};
inline constexpr std::array<std::string_view, 3> bench_registrations{"none", "v1", "v2"};

/// Nanoseconds of one operation, one for each round, by operation and registration. Empty where
/// there is no such registration on this kernel.
struct BenchSamples {
    std::array<std::array<std::vector<double>, bench_registrations.size()>, bench_operations.size()>
        ns;
    int cpu = 0;
    std::size_t rounds = 0;
};

/// Median and quartiles.
struct Spread {
    double low = 0;
    double median = 0;
    double high = 0;
};
/// `values` is not empty.
[[nodiscard]] Spread spread_of(std::vector<double> values);

/// Measures in children of its own, pinned to one processor, in rounds in which registrations take
/// turns. Takes about a third of a second for each round.
Result<BenchSamples> run_bench(const KernelFacts& facts, std::size_t rounds);

/// What a process would gain by moving to v2, in one sentence.
[[nodiscard]] std::string bench_conclusion(const BenchSamples& samples);

[[nodiscard]] std::string bench_to_text(const BenchSamples& samples, bool legend, bool colour);
/// docs/schema/bench.json
[[nodiscard]] Json bench_to_json(const KernelFacts& facts, const BenchSamples& samples);

} // namespace rseq::cli
