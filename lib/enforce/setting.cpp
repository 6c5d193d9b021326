// SPDX-License-Identifier: GPL-2.0-or-later
#include "enforce/setting.h"

#include "core/parse.h"

#include <cerrno>
#include <optional>

namespace rseq::enforce {

std::string to_line(const Setting& setting) {
    if (const auto* mode = std::get_if<PolicyMode>(&setting)) {
        return "mode " + std::string(to_string(*mode));
    }
    return "slice " + std::string(to_string(std::get<PolicySlice>(setting)));
}

std::optional<Setting> parse_line(std::string_view line) {
    const std::string_view key = take_until(line, ' ');
    for (const PolicyMode mode : {PolicyMode::automatic, PolicyMode::legacy, PolicyMode::off}) {
        if (key == "mode" && line == to_string(mode)) {
            return mode;
        }
    }
    for (const PolicySlice slice : {PolicySlice::allow, PolicySlice::deny}) {
        if (key == "slice" && line == to_string(slice)) {
            return slice;
        }
    }
    return std::nullopt;
}

Result<Policy> parse_cgroup_rseq(std::string_view text) {
    Policy policy;
    bool has_mode = false;
    bool has_slice = false;
    while (!text.empty()) {
        const auto setting = parse_line(take_until(text, '\n'));
        if (!setting) {
            continue;
        }
        if (const auto* mode = std::get_if<PolicyMode>(&*setting)) {
            policy.mode = *mode;
            has_mode = true;
        } else {
            policy.slice = std::get<PolicySlice>(*setting);
            has_slice = true;
        }
    }
    if (!has_mode || !has_slice) {
        return fail(EPROTO, "cgroup.rseq without a known mode and slice");
    }
    return policy;
}

} // namespace rseq::enforce
