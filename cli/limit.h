// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include "cli/verb.h"

#include <string>

namespace rseq::cli {

/// From now on this program may take five seconds; then it says that `what` takes too long and
/// exits with `status`. For calls that cannot be given a limit of their own: opening a file on a
/// file system that does not answer. Not for probes of the kernel: they have limits of their own,
/// which add up to more. Ends with unlimit_time().
void limit_time(const std::string& what, Exit status = Exit::failure);
void unlimit_time();

} // namespace rseq::cli
