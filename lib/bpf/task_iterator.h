// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include "core/result.h"
#include "core/types.h"
#include "core/unique_fd.h"

#include <cstddef>
#include <utility>
#include <vector>

namespace rseq::bpf {

/// Reads the rseq registration of every thread out of the kernel, stopping none of them: a BPF
/// program (an iterator over tasks) that is loaded once and may be run as often as wanted.
/// It works on any kernel with BTF since 6.1, and needs root, or CAP_BPF and CAP_PERFMON.
class TaskIterator {
public:
    /// Loads the program into the kernel, which takes some milliseconds. Fails with EPERM without
    /// the privilege, and with ENOTSUP where the kernel has no BTF or cannot run the program; the
    /// context says which.
    static Result<TaskIterator> load();

    /// One pass over all threads of the caller's pid namespace, kernel threads included, in the
    /// order of their numbers, which are those of this namespace. Not atomic: each thread is seen
    /// at a moment of its own. Source of the format and meaning of `registration`: bpf/records.h.
    /// Fails with the errno of the kernel, or with EPROTO if its records make no sense.
    Result<std::vector<ThreadObservation>> snapshot();

private:
    explicit TaskIterator(UniqueFd link) : link_(std::move(link)) {}

    UniqueFd link_;
    /// What the last pass read. Kept, so that a repeated snapshot does not fault it in again.
    std::vector<std::byte> buffer_;
};

} // namespace rseq::bpf
