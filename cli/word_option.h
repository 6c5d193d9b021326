// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include "cli/parser.h"
#include "core/types.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace rseq::cli {

/// Words of the command line, and what each means.
template <class Value>
using Words = std::vector<std::pair<std::string, Value>>;

/// Adds an option whose value is one of these words. `value`, a Value or an optional one, has to
/// outlive the parser.
template <class Value, class Target>
Option add_word_option(Parser verb, const std::string& name, Target& value,
                       const Words<Value>& words, const std::string& description) {
    std::string list;
    for (const auto& [word, meaning] : words) {
        list += (list.empty() ? "" : ", ") + word;
    }
    return verb
        .add_option(
            name,
            [words, &value](const std::string& word) {
                for (const auto& [known, meaning] : words) {
                    if (known == word) {
                        value = meaning;
                    }
                }
            },
            description + ": " + list)
        .text("WORD")
        .check([words, list](const std::string& word) {
            const bool is_known = std::any_of(words.begin(), words.end(),
                                              [&](const auto& one) { return one.first == word; });
            return is_known ? std::string() : "'" + word + "' is none of " + list;
        });
}

inline void add_mode_option(Parser verb, std::optional<PolicyMode>& mode) {
    add_word_option(verb, "--mode", mode,
                    Words<PolicyMode>{{"auto", PolicyMode::automatic},
                                      {"legacy", PolicyMode::legacy},
                                      {"off", PolicyMode::off}},
                    "What the kernel offers");
}

inline void add_slice_option(Parser verb, std::optional<PolicySlice>& slice) {
    add_word_option(verb, "--slice", slice,
                    Words<PolicySlice>{{"allow", PolicySlice::allow}, {"deny", PolicySlice::deny}},
                    "Time slice extensions");
}

} // namespace rseq::cli
