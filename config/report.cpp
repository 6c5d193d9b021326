// SPDX-License-Identifier: GPL-2.0-or-later
#include "config/report.h"

#include "core/escape.h"

#include <algorithm>
#include <cstddef>
#include <tuple>
#include <utility>

namespace rseq::config {

std::string Diagnostic::text() const {
    std::string text = escape_untrusted(file);
    if (line > 0) {
        text += ':' + std::to_string(line) + ':' + std::to_string(column);
    }
    text += ": " + message;
    if (!hint.empty()) {
        text += " (" + hint + ')';
    }
    return text;
}

std::string text_of(const Diagnostics& diagnostics) {
    std::string text;
    for (const Diagnostic& diagnostic : diagnostics) {
        text += (text.empty() ? "" : "\n") + diagnostic.text();
    }
    return text;
}

Position position_behind(std::string_view text) {
    const auto lines = std::count(text.begin(), text.end(), '\n');
    const std::size_t start = text.rfind('\n') + 1;
    return {static_cast<int>(lines) + 1, static_cast<int>(text.size() - start) + 1};
}

Report::Report(std::string file, std::string_view text, Diagnostics& diagnostics)
    : file_(std::move(file)), end_(position_behind(text)), diagnostics_(diagnostics),
      earlier_(diagnostics.size()) {}

Report::~Report() {
    const auto first = diagnostics_.begin() + static_cast<std::ptrdiff_t>(earlier_);
    std::stable_sort(first, diagnostics_.end(), [](const Diagnostic& a, const Diagnostic& b) {
        return std::tie(a.line, a.column) < std::tie(b.line, b.column);
    });
}

void add_diagnostic(Diagnostics& diagnostics, Diagnostic diagnostic) {
    if (diagnostics.size() < max_errors) {
        diagnostics.push_back(std::move(diagnostic));
    }
}

void Report::error(Position at, std::string message, std::string hint) {
    count_++;
    if (count_ == max_errors_per_file) {
        message = "there are more errors than are shown";
        hint.clear();
    }
    if (std::tie(end_.line, end_.column) < std::tie(at.line, at.column)) {
        at = end_;
    }
    if (count_ <= max_errors_per_file) {
        add_diagnostic(diagnostics_,
                       {file_, at.line, at.column, std::move(message), std::move(hint)});
    }
}

std::string quote(std::string_view text) {
    constexpr std::size_t longest = 60;
    const bool cut = text.size() > longest;
    std::string quoted = "'";
    quoted += escape_untrusted(text.substr(0, longest));
    quoted += cut ? "...'" : "'";
    return quoted;
}

} // namespace rseq::config
