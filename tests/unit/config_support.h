// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include "config/load.h"

#include <string>

namespace rseq::test {

/// The errors, each in a line, or "none".
inline std::string lines_of(const config::Diagnostics& diagnostics) {
    std::string lines;
    for (const config::Diagnostic& diagnostic : diagnostics) {
        lines += diagnostic.text() + '\n';
    }
    return lines;
}

template <class T>
std::string errors_of(const config::Loaded<T>& loaded) {
    return loaded ? "none\n" : lines_of(loaded.error());
}

} // namespace rseq::test
