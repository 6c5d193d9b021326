// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include "config/diagnostic.h"
#include "policy/rule.h"

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace rseq::config {

/// The rules of all files so far.
struct Rules {
    std::vector<policy::Rule> rules;
    /// Where each name was seen first, whether or not the rule was a good one.
    std::map<std::string, policy::Origin, std::less<>> names;
};

/// Reads the text of the policy file `file` and puts its rules behind the others. They are of use
/// only if nothing was reported.
void read_policy(const std::string& file, std::string_view text, Rules& rules,
                 Diagnostics& diagnostics);

} // namespace rseq::config
