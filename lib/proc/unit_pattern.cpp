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
    return glob_.matches(name) || glob_.matches(display_name) ||
           (!service_.empty() && (service_ == name || service_ == display_name));
}

} // namespace rseq::proc
