// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include "core/result.h"
#include "core/types.h"

#include <vector>

namespace rseq::bpf {

/// TaskIterator::load() and one TaskIterator::snapshot(), for a caller that needs no second one.
Result<std::vector<ThreadObservation>> snapshot();

} // namespace rseq::bpf
