// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include "core/kernel_facts.h"
#include "verify/kernel.h"

namespace rseq::verify {

/// What kind of kernel this is, in a few milliseconds and one forked child.
[[nodiscard]] KernelFacts classify(Kernel& kernel);

/// The same for the kernel that this process runs on.
[[nodiscard]] KernelFacts classify();

} // namespace rseq::verify
