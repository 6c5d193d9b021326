// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include "verify/kernel.h"

#include <sys/types.h>

#include <functional>

namespace rseq::verify {

/// What a forked child does: it starts a subject, helps it, and never returns. `shared` is memory
/// that it has in common with `parent`, whose end is its own too.
[[noreturn]] void be_child(pid_t parent, void* shared,
                           const std::function<void(Subject&, void* shared)>& body);

/// The exit status of a child that could not start its subject.
inline constexpr int child_failed = 120;

} // namespace rseq::verify
