// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include "core/result.h"
#include "daemon/enforcer.h"

namespace rseq::daemon {

/// Puts back all that policies have changed: cgroups and drop-ins, as if there were no rules any
/// more. Where no service manager runs, its drop-ins are not there either. Must not be called while
/// a daemon runs, which would apply its rules again. What cannot be put back is logged; fails with
/// EIO if there was such a thing, and with the error if it could not even begin.
Result<void> release(const EnforcerPlaces& places);

} // namespace rseq::daemon
