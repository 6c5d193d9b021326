// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <string>

namespace rseq::cli {

/// From now on this program may take five seconds; then it says that `what` takes too long and
/// exits with Exit::failure. For calls that cannot be given a limit of their own: opening a file on
/// a file system that does not answer. Ends with unlimit_time().
void limit_time(const std::string& what);
void unlimit_time();

} // namespace rseq::cli
