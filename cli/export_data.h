// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include "cli/bus_decode.h"
#include "cli/slice_use.h"
#include "core/kernel_facts.h"
#include "enforce/report.h"
#include "table/table.h"
#include "verify/verify.h"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace rseq::cli {

/// What `rseqctl export` tells, in numbers. What could not be found out is absent, never 0.
struct ExportData {
    std::uint64_t time_usec = 0;
    KernelFacts kernel;
    std::vector<verify::Finding> guarantees;
    std::optional<std::uint32_t> slice_length_ns;
    std::map<Mode, std::uint32_t> processes;
    ModeCounts threads;
    std::optional<SliceUse> slices;
    struct Daemon {
        DaemonFacts facts;
        std::vector<enforce::RuleReport> policies;
    };
    std::optional<Daemon> daemon;
    std::uint32_t kernel_errors = 0; ///< what of the kernel could not be read
    std::uint32_t daemon_errors = 0;
};

/// Prometheus's text format, without a time stamp.
[[nodiscard]] std::string export_to_prometheus(const ExportData& data);

/// docs/schema/export.json.
[[nodiscard]] Json export_to_json(const ExportData& data);

} // namespace rseq::cli
