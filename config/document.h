// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include "config/report.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace rseq::config {

/// A value of a YAML document, with its place.
struct Value {
    enum class Kind : std::uint8_t {
        null,     ///< no value, or `null`
        plain,    ///< a scalar without quotation marks
        quoted,   ///< a scalar that can only be text
        sequence, ///< `children` are its items
        mapping,  ///< `children` are its keys and their values in turn
        refused,  ///< something that has been reported and is not looked at again
    };
    Kind kind = Kind::null;
    Position at;
    std::string text;
    std::vector<Value> children;
};

/// The document in `text`. Nothing if there is none (blank lines and comments only) or if it could
/// not be taken apart, which has been reported then. All that was taken apart is within the limits
/// of load.h. Anchors, aliases and tags are reported: nothing here needs them, and without aliases
/// a document is never larger than its text.
[[nodiscard]] std::optional<Value> parse_document(std::string_view text, Report& report);

} // namespace rseq::config
