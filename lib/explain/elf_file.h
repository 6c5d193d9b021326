// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include "core/result.h"

#include <cstdint>
#include <optional>
#include <string>

namespace rseq::explain {

enum class LibcKind : std::uint8_t {
    unknown, ///< there may be one, and it was not recognised
    glibc,
    musl,
};

/// What an ELF file (elf(5)) says of itself. None of it is more than the file claims.
struct ElfFacts {
    bool dynamic = false; ///< it names an interpreter, or is a shared library
    bool shared_library = false;
    LibcKind libc = LibcKind::unknown; ///< that is in it
    std::string libc_version;          ///< "2.36", "1.2.3"; empty if it does not say
    std::string libc_banner;           ///< "Debian GLIBC 2.36-9+deb12u10", untrusted; may be empty
    bool registers_rseq = false;       ///< it has glibc's code that registers (since 2.35)
    bool critical_sections = false;    ///< it has a section __rseq_cs
    bool tcmalloc = false;             ///< it mentions tcmalloc
    /// Of the symbol __rseq_size, from the address at which the file's offset 0 is mapped.
    std::optional<std::uint64_t> rseq_size_at;
};

/// Reads an ELF file, at most a hundred MiB of it. `fd` has to be a regular file; what is read is
/// never executed nor mapped, so that a file that is cut off meanwhile does no harm. Fails with
/// ENOEXEC if it is no ELF file.
Result<ElfFacts> read_elf(int fd);

/// The release in the text in which glibc describes itself ("GNU C Library (Debian GLIBC 2.36-9)
/// stable release version 2.36."); false if it is not there.
bool find_glibc_banner(std::string_view text, ElfFacts& facts);

} // namespace rseq::explain
