// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include "verify/verify.h"

#include <vector>

namespace rseq::verify {

/// The probes of the v1 guarantees alone, which is what judge() needs. Other than verify() they do
/// nothing that a kernel kills for, and so nothing that shows up as a violation: for what runs
/// again and again by itself.
[[nodiscard]] std::vector<Finding> verify_v1(Kernel& kernel);

} // namespace rseq::verify
