// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include "core/types.h"

#include <CLI/CLI.hpp>

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace rseq::cli {

/// Words of the command line, and what each means.
template <class Value>
using Words = std::vector<std::pair<std::string, Value>>;

/// Adds an option whose value is one of these words. `value` has to outlive the parser.
template <class Value>
void add_word_option(CLI::App& verb, const std::string& name, std::optional<Value>& value,
                     const Words<Value>& words, const std::string& description) {
    std::string list;
    for (const auto& [word, meaning] : words) {
        list += (list.empty() ? "" : ", ") + word;
    }
    verb.add_option_function<std::string>(
            name,
            [words, &value](const std::string& word) {
                for (const auto& [known, meaning] : words) {
                    value = known == word ? std::optional(meaning) : value;
                }
            },
            description + ": " + list)
        ->option_text("WORD")
        ->check(CLI::Validator(
            [words, list](const std::string& word) {
                const bool is_known = std::any_of(
                    words.begin(), words.end(), [&](const auto& one) { return one.first == word; });
                return is_known ? std::string() : "'" + word + "' is none of " + list;
            },
            ""));
}

inline void add_mode_option(CLI::App& verb, std::optional<PolicyMode>& mode) {
    add_word_option(verb, "--mode", mode,
                    Words<PolicyMode>{{"auto", PolicyMode::automatic},
                                      {"legacy", PolicyMode::legacy},
                                      {"off", PolicyMode::off}},
                    "What the kernel offers");
}

inline void add_slice_option(CLI::App& verb, std::optional<PolicySlice>& slice) {
    add_word_option(verb, "--slice", slice,
                    Words<PolicySlice>{{"allow", PolicySlice::allow}, {"deny", PolicySlice::deny}},
                    "Time slice extensions");
}

} // namespace rseq::cli
