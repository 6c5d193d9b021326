// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include "core/result.h"
#include "core/unique_fd.h"
#include "proc/rseq_file.h"

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace rseq::proc {

/// The directory of one process or thread, held open: what is read through it is of that process
/// even if its number is given to another one meanwhile. ESRCH or ENOENT: it is gone.
class ProcessDir {
public:
    /// What stat says (proc/stat.h).
    struct Identity {
        std::string comm; ///< untrusted
        bool kernel_thread = false;
        bool exiting = false;
        std::uint64_t start_ticks = 0;
        std::uint32_t threads = 0;
    };
    Result<Identity> identity();
    /// The same of one thread.
    Result<Identity> thread_identity(pid_t tid);
    /// Path of the program, untrusted; without the mark of a file that is deleted meanwhile. Needs
    /// the privilege to ptrace the process. ENOENT for kernel threads.
    Result<std::string> exe() const;
    /// The cgroup path (parse_cgroup()). Untrusted.
    Result<std::string> cgroup();
    /// The process that this belongs to: /proc also answers for the number of any of its threads.
    Result<pid_t> thread_group();
    /// The effective user.
    Result<uid_t> effective_uid();
    /// The threads, in ascending order. Not for the directory of a thread.
    Result<std::vector<pid_t>> threads() const;
    /// /proc/<pid>/rseq and /proc/<pid>/task/<tid>/rseq; ENOENT on a kernel without our ABI.
    Result<ProcessRseq> rseq();
    Result<ThreadRseq> thread_rseq(pid_t tid);

private:
    friend class ProcReader;
    explicit ProcessDir(UniqueFd dir) : dir_(std::move(dir)) {}

    Result<Identity> identity_in(const char* path);

    UniqueFd dir_;
    std::string buffer_;
};

/// Reads a /proc file system, or a tree that looks like one.
class ProcReader {
public:
    /// Takes over a descriptor of the directory.
    explicit ProcReader(UniqueFd root) : root_(std::move(root)) {}

    /// Every thread group that is there now, in ascending order. Entries that are not a number are
    /// passed over. With hidepid only those that this user may see.
    Result<std::vector<pid_t>> processes() const;

    /// The directory of a process, or of a thread that is named by its number alone. ENOENT if
    /// there is none.
    Result<ProcessDir> open(pid_t pid) const;

    /// True if the kernel has our /proc files.
    [[nodiscard]] bool has_rseq_files() const;

private:
    UniqueFd root_;
};

} // namespace rseq::proc
