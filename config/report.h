// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include "config/diagnostic.h"

#include <cstddef>
#include <string>
#include <string_view>

namespace rseq::config {

/// A place in a file; both count from 1, columns count bytes.
struct Position {
    int line = 1;
    int column = 1;
};

/// The place behind the last character of `text`.
[[nodiscard]] Position position_behind(std::string_view text);

/// More than a person would read, of one file and of all.
inline constexpr std::size_t max_errors_per_file = 100;
inline constexpr std::size_t max_errors = 1000;

/// Puts one behind the others, unless there are max_errors of them.
void add_diagnostic(Diagnostics& diagnostics, Diagnostic diagnostic);

/// Collects what is wrong in one file, the first max_errors_per_file of it. At the end of its life
/// that is in the order of the lines. No place is behind the end of the file, where a parser may
/// put what is missing.
class Report {
public:
    /// `text` is what the file holds; it is not kept.
    Report(std::string file, std::string_view text, Diagnostics& diagnostics);
    Report(const Report&) = delete;
    Report& operator=(const Report&) = delete;
    ~Report();

    void error(Position at, std::string message, std::string hint = {});
    [[nodiscard]] bool clean() const { return count_ == 0; }
    [[nodiscard]] const std::string& file() const { return file_; }

private:
    std::string file_;
    Position end_;
    Diagnostics& diagnostics_;
    /// How many there were before this file.
    std::size_t earlier_;
    std::size_t count_ = 0;
};

/// `text` in quotation marks, safe to print, cut off where it is long.
[[nodiscard]] std::string quote(std::string_view text);

} // namespace rseq::config
