// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include "core/result.h"

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

/// Parsers of what /proc/<pid> has of a program: its files, its auxiliary vector, its environment.
/// The process chooses much of that text.
namespace rseq::explain {

/// A file of which at least one part is mapped.
struct MappedFile {
    std::uint64_t start = 0; ///< address of the first mapping, which is listed under it
    std::uint64_t end = 0;
    std::uint64_t offset = 0; ///< in the file, of that mapping
    std::uint64_t inode = 0;
    std::string path; ///< in the process's own mount namespace, untrusted
    bool deleted = false;
};

/// The files in the text of /proc/<pid>/maps (proc_pid_maps(5)), each once, in the order of their
/// addresses. What is no file, or is not at a path, is left out. Fails with EPROTO if a line is not
/// of that form.
Result<std::vector<MappedFile>> parse_maps(std::string_view text);

/// What the kernel told the program at its start (getauxval(3)).
struct Auxv {
    std::optional<std::uint64_t> rseq_feature_size; ///< AT_RSEQ_FEATURE_SIZE
    std::optional<std::uint64_t> rseq_align;        ///< AT_RSEQ_ALIGN
    bool secure = false;                            ///< AT_SECURE
    friend bool operator==(const Auxv&, const Auxv&) = default;
};

/// The bytes of /proc/<pid>/auxv, of a 64-bit or a 32-bit process of this byte order. Fails with
/// EPROTO if they are neither.
Result<Auxv> parse_auxv(std::string_view bytes);

/// Whether the environment of a program, as /proc/<pid>/environ has it, tells glibc to register
/// (glibc.pthread.rseq=1) or not to (=0); nothing if it says neither. Values out of range are
/// ignored, and the last one counts, as in glibc.
[[nodiscard]] std::optional<bool> rseq_tunable(std::string_view environment);

/// What /proc/<pid>/status says of system call filters.
struct Seccomp {
    std::uint32_t mode = 0;    ///< 0 none, 1 strict, 2 filters
    std::uint32_t filters = 0; ///< 0 also where the kernel does not say
};
/// Fails with EPROTO if there is no such line.
Result<Seccomp> parse_seccomp(std::string_view status);

} // namespace rseq::explain
