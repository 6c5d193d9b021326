// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include "cli/slice_use.h"
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

/// All that `rseqctl slice` shows.
struct SliceReport {
    KernelFacts kernel;
    Result<std::uint32_t> length = fail(0, "not read");
    Result<SliceUses> uses = fail(0, "not read");
};

[[nodiscard]] Table slice_table(const std::vector<SliceUse>& processes);
[[nodiscard]] std::string slice_to_text(const SliceReport& report, bool legend, bool colour);
/// docs/schema/slice.json
[[nodiscard]] Json slice_to_json(const SliceReport& report);

/// How long slices were held, and how they ended.
class SliceHistogram {
public:
    /// `reason` as event::SliceEnded has it; other words count as none of the four.
    void add(std::string_view reason, std::uint64_t held_ns);

    [[nodiscard]] std::uint64_t slices() const { return slices_; }
    /// One line for each range, with a bar that is `width` characters long for the largest.
    [[nodiscard]] std::string to_text(std::size_t width) const;
    /// docs/schema/slice-hist.json
    [[nodiscard]] Json to_json(double seconds, std::uint64_t lost) const;

private:
    /// Where ranges begin; the last one has no end.
    static constexpr std::array<std::uint64_t, 14> starts_{
        0, 500, 1000, 2000, 3000, 4000, 5000, 7500, 10000, 15000, 20000, 30000, 40000, 50000};
    std::array<std::uint64_t, starts_.size()> counts_{};
    std::uint64_t slices_ = 0;
    std::uint64_t yielded_ = 0;
    std::uint64_t syscall_ = 0;
    std::uint64_t expired_ = 0;
    std::uint64_t revoked_ = 0;
};

} // namespace rseq::cli
