// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include "core/result.h"

#include <string>
#include <vector>

namespace rseq::cli {

/// What systemctl is to show of a scope for this command: valid UTF-8, of a limited length.
[[nodiscard]] std::string describe_scope(const std::vector<std::string>& command);

/// Has systemd move this process into a transient scope of the system, and waits until it is there.
/// The scope ends with its last process. `description` is what systemctl shows.
Result<void> enter_scope(const std::string& description);

} // namespace rseq::cli
