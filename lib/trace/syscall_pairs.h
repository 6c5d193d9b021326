// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <unordered_map>

namespace rseq::trace {

/// Arguments of an rseq(2) that a thread has entered.
struct RseqCall {
    std::uint32_t length = 0;
    std::int32_t flags = 0;
    std::uint32_t signature = 0;
};

/// Brings the two halves of a system call together. A thread is in one at a time; an entry whose
/// exit was lost is replaced by the thread's next one, forgotten when the thread exits, and at the
/// latest when it is the oldest of too many.
class SyscallPairs {
public:
    /// More threads than this are never within rseq(2) at once: it does not sleep.
    static constexpr std::size_t limit = 1024;

    void enter(pid_t tid, std::uint64_t time_ns, const RseqCall& call);
    /// What the thread entered; nothing if that was before the trace began, or lost.
    std::optional<RseqCall> leave(pid_t tid);
    void forget(pid_t tid) { open_.erase(tid); }

    [[nodiscard]] std::size_t size() const { return open_.size(); }

private:
    struct Open {
        std::uint64_t time_ns = 0;
        RseqCall call;
    };
    std::unordered_map<pid_t, Open> open_;
};

} // namespace rseq::trace
