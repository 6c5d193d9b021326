// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include "core/kernel_facts.h"
#include "table/table.h"

#include <string>

namespace rseq::cli {

/// The kernel in three lines: release, class and what it guarantees, what it offers.
[[nodiscard]] std::string kernel_to_text(const KernelFacts& facts);

/// The same as a JSON object.
[[nodiscard]] Json kernel_to_json(const KernelFacts& facts);

} // namespace rseq::cli
