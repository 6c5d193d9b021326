// SPDX-License-Identifier: GPL-2.0-or-later
#include "trace/syscall_pairs.h"

#include <algorithm>

namespace rseq::trace {

void SyscallPairs::enter(pid_t tid, std::uint64_t time_ns, const RseqCall& call) {
    if (open_.size() >= limit && !open_.contains(tid)) {
        open_.erase(std::min_element(open_.begin(), open_.end(), [](const auto& a, const auto& b) {
            return a.second.time_ns < b.second.time_ns;
        }));
    }
    open_.insert_or_assign(tid, Open{.time_ns = time_ns, .call = call});
}

std::optional<RseqCall> SyscallPairs::leave(pid_t tid) {
    const auto at = open_.find(tid);
    if (at == open_.end()) {
        return std::nullopt;
    }
    const RseqCall call = at->second.call;
    open_.erase(at);
    return call;
}

} // namespace rseq::trace
