// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include "registry/process.h"

#include <array>
#include <cstddef>
#include <list>

/// Internal to lib/registry.
namespace rseq::registry {

/// The last refused registrations of one process.
struct RefusalLog {
    static constexpr std::size_t capacity = 8;

    Process* process = nullptr;             ///< never null
    std::list<RefusalLog>::iterator self;   ///< where it is kept
    std::array<Refusal, capacity> refusals; ///< oldest first
    std::size_t size = 0;
};

} // namespace rseq::registry
