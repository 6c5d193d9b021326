// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/manager_violations.h"

#include "daemon/journal.h"
#include "daemon/state.h"

#include <algorithm>
#include <cstddef>
#include <string_view>
#include <unordered_map>
#include <utility>

namespace rseq::daemon {

void complete(Occurrence& victim, const snapshot::Process& seen) {
    if (victim.process.start_ticks == 0) {
        victim.process.start_ticks = seen.key.start_ticks;
    }
    if (victim.exe.empty()) {
        victim.exe = seen.exe;
    }
    if (victim.cgroup.empty()) {
        victim.cgroup = seen.cgroup;
        victim.unit = seen.unit.display_name();
    }
}

void keep_violation(std::deque<Occurrence>& kept, Occurrence violation) {
    kept.push_back(std::move(violation));
    if (kept.size() <= violations_kept) {
        return;
    }
    std::unordered_map<std::string_view, std::size_t> sizes;
    std::size_t largest = 0;
    for (const Occurrence& one : kept) {
        largest = std::max(largest, ++sizes[party_of(one)]);
    }
    kept.erase(std::find_if(kept.begin(), kept.end(), [&](const Occurrence& one) {
        return sizes[party_of(one)] == largest;
    }));
}

} // namespace rseq::daemon
