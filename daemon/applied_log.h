// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include "enforce/report.h"

namespace rseq::daemon {

/// Logs what came of applying rules. Notes that were told the last time are not told again: it may
/// be up to users how often.
void log_applied(const enforce::Applied& applied, const enforce::Applied& last);

} // namespace rseq::daemon
