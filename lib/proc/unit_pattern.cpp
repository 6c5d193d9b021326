// SPDX-License-Identifier: GPL-2.0-or-later
#include "proc/unit_pattern.h"

#include <string_view>
#include <utility>

namespace rseq::proc {

UnitPattern::UnitPattern(std::string pattern) : glob_(std::move(pattern)) {
    constexpr std::string_view suffix = ".service";
    if (glob_.is_literal() && !glob_.pattern().ends_with(suffix)) {
        service_ = glob_.pattern();
        service_ += suffix;
    }
}

bool UnitPattern::matches(const std::string& name, const std::string& display_name) const {
    if (name.empty()) {
        return false;
    }
    const auto is_meant = [&](const std::string& candidate) {
        return glob_.matches(candidate) || (!service_.empty() && service_ == candidate);
    };
    // The display name ends with the name: with the same length it is the same.
    return is_meant(name) || (display_name.size() != name.size() && is_meant(display_name));
}

} // namespace rseq::proc
