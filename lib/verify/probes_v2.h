// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include "verify/probes.h"

namespace rseq::verify {

/// Whether this process is offered v2, and if not the finding that says so.
[[nodiscard]] bool v2_is_offered(Kernel& kernel, Finding& otherwise);

[[nodiscard]] Finding probe_v2_offer(Kernel& kernel, const Probe& probe);
[[nodiscard]] Finding probe_v2_ids_left_alone(Kernel& kernel, const Probe& probe);
[[nodiscard]] Finding probe_v2_overwrite(Kernel& kernel, IdField field);
[[nodiscard]] Finding probe_slice_available(Kernel& kernel, const Probe& probe);
[[nodiscard]] Finding probe_slice_errors(Kernel& kernel, const Probe& probe);

} // namespace rseq::verify
