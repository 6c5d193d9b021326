// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <string>
#include <vector>

namespace rseq::config {

/// One thing that is wrong in a file. Quotations from the file have been made safe to print.
struct Diagnostic {
    std::string file;
    /// Both count from 1, columns count bytes. 0 where the file as a whole is meant: it could not
    /// be read.
    int line = 0;
    int column = 0;
    std::string message;
    /// What to do about it; empty where the message says it.
    std::string hint;

    /// `file:line:column: message (hint)`, in one line that is safe to print.
    [[nodiscard]] std::string text() const;
    friend bool operator==(const Diagnostic&, const Diagnostic&) = default;
};

using Diagnostics = std::vector<Diagnostic>;

/// The text of all of them, a line for each, without an end of line behind the last.
[[nodiscard]] std::string text_of(const Diagnostics& diagnostics);

} // namespace rseq::config
