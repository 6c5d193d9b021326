// SPDX-License-Identifier: GPL-2.0-or-later
#include "enforce/tunables.h"

#include "core/parse.h"

namespace rseq::enforce {

std::string with_rseq_tunable(std::string_view tunables, bool glibc_registers) {
    constexpr std::string_view ours = "glibc.pthread.rseq=";
    std::string result;
    while (!tunables.empty()) {
        const std::string_view tunable = take_until(tunables, ':');
        if (!tunable.empty() && !tunable.starts_with(ours)) {
            result += tunable;
            result += ':';
        }
    }
    result += ours;
    result += glibc_registers ? '1' : '0';
    return result;
}

std::string_view tunables_in(std::span<const std::string> environment) {
    constexpr std::string_view name = "GLIBC_TUNABLES=";
    std::string_view value;
    for (const std::string& variable : environment) {
        if (variable.starts_with(name)) {
            value = std::string_view(variable).substr(name.size());
        }
    }
    return value;
}

} // namespace rseq::enforce
