// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include "core/result.h"
#include "core/unique_fd.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace rseq::trace {

/// The raw pipe of one CPU's ring buffer.
struct Pipe {
    unsigned cpu = 0;
    UniqueFd fd;
};

/// Opens the pipes of an instance and waits for them.
///
/// There is a directory for every possible CPU, but a ring buffer only for those that have been
/// online since the instance was made. The pipe of a CPU without one can be opened, and then says
/// EPOLLERR for ever: a reader that waits for it never sleeps. So it is opened when the CPU comes.
class Pipes {
public:
    /// `instance` is the path of the instance's directory, `cpus` that of the directory with the
    /// lists `possible` and `online` of CPUs (Documentation/admin-guide/cputopology.rst).
    static Result<Pipes> open(const std::string& instance,
                              const std::string& cpus = "/sys/devices/system/cpu");

    /// An epoll(7) descriptor: readable when any ring buffer has something.
    [[nodiscard]] int epoll_fd() const { return epoll_.get(); }

    /// The pipes of CPUs that have come since the last call; all of them at the first. They are
    /// non-blocking, and in the epoll set.
    Result<std::vector<Pipe>> take_new();

    /// Events of a CPU's ring buffer that were lost since the instance was made, from its `stats`.
    [[nodiscard]] Result<std::uint64_t> lost(unsigned cpu) const;

private:
    Pipes() = default;
    [[nodiscard]] Result<Pipe> open_pipe(unsigned cpu) const;

    UniqueFd instance_;
    UniqueFd cpus_;
    UniqueFd epoll_;
    std::vector<unsigned> missing_; ///< possible CPUs whose pipe is not open, in ascending order
};

/// The CPUs of a list such as "0-3,8" in ascending order. EPROTO for anything else, and for numbers
/// above 65535.
Result<std::vector<unsigned>> parse_cpu_list(std::string_view text);

} // namespace rseq::trace
