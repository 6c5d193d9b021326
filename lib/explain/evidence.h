// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include "core/kernel_facts.h"
#include "core/result.h"
#include "explain/elf_file.h"
#include "explain/process_text.h"
#include "snapshot/snapshot.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace rseq::explain {

/// The C library that a process has.
struct Libc {
    LibcKind kind = LibcKind::unknown;
    bool is_static = false;             ///< it is part of the program
    std::string version;                ///< empty if the file does not tell
    std::string banner;                 ///< untrusted
    std::optional<bool> registers_rseq; ///< of glibc: whether it has the code that registers
    std::string path;    ///< of the file that was read, in the process's mount namespace, untrusted
    std::string seen_in; ///< what of the file showed the kind, or why nothing did
    std::string registers_seen_in; ///< likewise
};

/// A registration that the kernel refused.
struct Refusal {
    std::uint64_t time_usec = 0; ///< CLOCK_REALTIME
    pid_t tid = 0;
    std::int32_t error = 0; ///< errno
    std::uint32_t length = 0;
};

/// All that can be found out about one process. What could not be read has the reason instead.
struct Findings {
    KernelFacts kernel;
    /// With its threads.
    snapshot::Process process;
    std::string process_unknown_reason;
    Result<Auxv> auxv = fail(0, "not read");
    Result<Libc> libc = fail(0, "not read");
    /// What its environment said at its start; nothing said: nothing.
    Result<std::optional<bool>> tunable = fail(0, "not read");
    /// glibc's own __rseq_size: 0 if glibc is not registered.
    Result<std::uint32_t> glibc_size = fail(0, "not read");
    /// Mapped files that mention tcmalloc and have critical sections of rseq. Untrusted.
    Result<std::vector<std::string>> tcmalloc = fail(0, "not read");
    Result<Seccomp> seccomp = fail(0, "not read");
    /// What the daemon saw, oldest first.
    Result<std::vector<Refusal>> refusals = fail(0, "not read");
};

/// Fills in what the process's own files in `proc` tell: all but kernel, process and refusals.
/// `pid` is the number of a thread group. Fails with ESRCH if the process is gone, or is another
/// one than `key`.
Result<void> read_process(int proc, const ProcessKey& key, Findings& evidence);

} // namespace rseq::explain
