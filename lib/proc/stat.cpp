// SPDX-License-Identifier: GPL-2.0-or-later
#include "proc/stat.h"

#include "core/parse.h"

#include <cerrno>

namespace rseq::proc {

Result<Stat> parse_stat(std::string_view text) {
    constexpr std::uint32_t kernel_thread_flag = 0x00200000; // PF_KTHREAD of linux/sched.h
    constexpr std::uint32_t exiting_flag = 0x00000004;       // PF_EXITING
    constexpr int state_field = 3;
    constexpr int flags_field = 9;
    constexpr int threads_field = 20;
    constexpr int start_time_field = 22;

    if (!text.ends_with('\n')) {
        return fail(EPROTO, "stat that is cut off");
    }
    const std::size_t open = text.find('(');
    const std::size_t close = text.rfind(')');
    if (open == std::string_view::npos || close == std::string_view::npos || close < open) {
        return fail(EPROTO, "stat without a process name");
    }
    Stat stat;
    stat.comm = text.substr(open + 1, close - open - 1);

    bool leader_ended = false;
    std::string_view rest = text.substr(close + 1);
    take_until(rest, ' ');
    for (int field = 3; field <= start_time_field; field++) {
        const std::string_view value = take_until(rest, ' ');
        if (field == state_field) {
            leader_ended = value == "Z" || value == "X";
        } else if (field == flags_field) {
            const auto flags = parse_number<std::uint32_t>(value);
            if (!flags) {
                return fail(EPROTO, "stat with bad flags");
            }
            stat.kernel_thread = (*flags & kernel_thread_flag) != 0;
            stat.exiting = (*flags & exiting_flag) != 0;
        } else if (field == threads_field) {
            const auto threads = parse_number<std::uint32_t>(value);
            if (!threads) {
                return fail(EPROTO, "stat with a bad number of threads");
            }
            // The kernel counts a leader that has ended for as long as nobody collects it.
            stat.threads = *threads - (leader_ended && *threads > 0 ? 1 : 0);
        } else if (field == start_time_field) {
            const auto start = parse_number<std::uint64_t>(value);
            if (!start) {
                return fail(EPROTO, "stat with a bad start time");
            }
            stat.start_ticks = *start;
        }
    }
    return stat;
}

} // namespace rseq::proc
