// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include "explain/explain.h"

#include <string>
#include <vector>

/// The words of an explanation. Internal to lib/explain.
namespace rseq::explain {

[[nodiscard]] std::vector<Reason> reasons_of(const Findings& evidence, Registrant registrant);

/// `tunable_off`: glibc was told not to register.
[[nodiscard]] std::vector<Remedy> remedies_of(const Findings& evidence, bool tunable_off,
                                              Registrant registrant);

} // namespace rseq::explain
