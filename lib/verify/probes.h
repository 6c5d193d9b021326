// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include "verify/verify.h"

#include <span>

namespace rseq::verify {

/// One guarantee and how it is put to the proof.
struct Probe {
    std::string_view key;
    std::string_view title;
    bool v1;
    Finding (*run)(Kernel&, const Probe&);
};

/// All of them, in the order in which they are shown.
[[nodiscard]] std::span<const Probe> all_probes();

} // namespace rseq::verify
