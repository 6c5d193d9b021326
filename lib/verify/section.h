// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include "verify/area.h"

#include <cstdint>

namespace rseq::verify {

/// The words by which a section and whoever disturbs it see each other.
struct SectionWords {
    /// Set by the section's first instruction and by nothing else while it runs.
    volatile std::uint32_t inside;
    /// The section ends by itself once this is not 0.
    volatile std::uint32_t release;
};

/// The number that has to stand in front of every abort handler of this architecture.
[[nodiscard]] std::uint32_t section_signature();

/// Whether there is a critical section for this architecture.
[[nodiscard]] bool have_section();

/// Announces the critical section in `area` and loops in it until `words.release`. True if the
/// kernel aborted it. There is no instruction between the announcement and the section's start: a
/// thread that is interrupted between them is inside.
[[nodiscard]] bool run_critical_section(volatile Area& area, SectionWords& words);

} // namespace rseq::verify
