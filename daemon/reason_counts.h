// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>

namespace rseq::daemon {

/// How often there was each reason. More of them than the kernel has are counted together.
class ReasonCounts {
public:
    using Map = std::map<std::string, std::uint64_t, std::less<>>;

    static constexpr std::size_t most = 32;
    static constexpr std::string_view others = "others";

    void add(std::string_view reason) {
        auto found = counts_.find(reason);
        if (found == counts_.end()) {
            const bool has_room = counts_.size() < most;
            found = counts_.try_emplace(std::string(has_room ? reason : others)).first;
        }
        ++found->second;
    }

    [[nodiscard]] const Map& all() const { return counts_; }
    friend bool operator==(const ReasonCounts&, const ReasonCounts&) = default;

private:
    Map counts_;
};

} // namespace rseq::daemon
