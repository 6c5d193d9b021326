// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include "core/result.h"
#include "explain/libc_marks.h"

#include <cstdint>
#include <optional>
#include <string>

namespace rseq::explain {

/// What an ELF file (elf(5)) says of itself. None of it is more than the file claims.
struct ElfFacts {
    bool dynamic = false;           ///< it names an interpreter, which loads its libraries
    LibcFound libc;                 ///< that is in it
    std::string libc_banner;        ///< "Debian GLIBC 2.36-9+deb12u10", untrusted; may be empty
    bool critical_sections = false; ///< it has a section __rseq_cs
    bool tcmalloc = false;          ///< it mentions tcmalloc
    /// Of the symbol __rseq_size, from the address at which the file's offset 0 is mapped.
    std::optional<std::uint64_t> rseq_size_at;
};

/// Reads an ELF file, at most a hundred MiB of its contents. `fd` has to be a regular file; what is
/// read is never executed nor mapped, so that a file that is cut off meanwhile does no harm. Fails
/// with ENOEXEC if it is no ELF file.
Result<ElfFacts> read_elf(int fd);

} // namespace rseq::explain
