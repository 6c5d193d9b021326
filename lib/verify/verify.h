// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include "verify/kernel.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace rseq::verify {

/// What one probe found out about one guarantee.
enum class Verdict : std::uint8_t {
    held,
    lost,
    not_offered, ///< the kernel does not promise it
    not_tested,  ///< it could not be tried here
};

/// "held", "lost", "not offered", "not tested".
[[nodiscard]] std::string_view to_string(Verdict verdict);

/// One line of `rseqctl verify`.
struct Finding {
    /// Stable and short, for programs: "v1-ids-signal".
    std::string_view key;
    /// The guarantee, for people.
    std::string_view title;
    /// Whether users of v1 registrations rely on it.
    bool v1 = false;
    Verdict verdict = Verdict::not_tested;
    /// What was seen; never empty unless the guarantee was held plainly.
    std::string reason;
};

/// Whether programs that rely on the v1 guarantees can run on this kernel.
enum class Safety : std::uint8_t { safe, unsafe, unknown };

/// "safe", "unsafe", "unknown".
[[nodiscard]] std::string_view to_string(Safety safety);

/// Unsafe if a v1 guarantee is lost; else unknown if one was not tested, or if none is offered;
/// else safe.
[[nodiscard]] Safety judge(const std::vector<Finding>& findings);

/// Runs every probe once, each in processes of its own, in about a tenth of a second. Needs no
/// privilege. What keeps a probe from running is that probe's reason and not an error.
[[nodiscard]] std::vector<Finding> verify(Kernel& kernel);

} // namespace rseq::verify
