// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include "explain/evidence.h"

#include <string>
#include <string_view>
#include <vector>

namespace rseq::explain {

/// One link of the chain of reasons.
struct Reason {
    std::string_view about; ///< a word of ours: kernel, registration, policy, auxv, libc, ...
    std::string text;       ///< may hold names of others: to be escaped
    std::string source;     ///< where it was read
    bool known = true;      ///< false: the text says what is not known, and why
};

/// Who registered the threads.
enum class Registrant : std::uint8_t {
    unknown,
    nobody,
    glibc,   ///< in its own area
    program, ///< the program or a library other than glibc, in an area of its own
};

[[nodiscard]] std::string_view to_string(Registrant registrant);

/// What would change the mode.
struct Remedy {
    std::string effect;  ///< "to have it in v1"
    std::string command; ///< for a shell; empty if there is no such command, and `effect` says all
};

struct Explanation {
    Registrant registrant = Registrant::unknown;
    std::vector<Reason> reasons; ///< from the kernel to the program
    /// One sentence: why the process is in its mode. Empty if the evidence does not suffice.
    std::string conclusion;
    /// What is missing, if there is no conclusion: words of Reason::about, and why.
    std::vector<std::string> unknown;
    std::vector<Remedy> remedies;
};

/// Draws the conclusion. Pure: what the evidence does not say is not known.
[[nodiscard]] Explanation explain(const Findings& evidence);

} // namespace rseq::explain
