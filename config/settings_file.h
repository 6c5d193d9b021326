// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include "config/load.h"

#include <string>
#include <string_view>

namespace rseq::config {

/// Reads the text of `file`, which is rseq-compatd.yaml or a drop-in, into `settings`. They are of
/// use only if nothing was reported.
void read_settings(const std::string& file, std::string_view text, Settings& settings,
                   Diagnostics& diagnostics);

} // namespace rseq::config
