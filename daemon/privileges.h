// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include "core/result.h"

namespace rseq::daemon {

/// Gives up, for good and for children too, what only the BPF source needs: CAP_BPF and
/// CAP_PERFMON. Nothing happens if the process does not have them.
Result<void> drop_bpf_privileges();

} // namespace rseq::daemon
