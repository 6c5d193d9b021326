// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include "core/result.h"

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

/// The headers of an ELF file (elf(5)) that somebody else controls: it may be huge, sparse,
/// damaged, and change while it is read. Nothing in it decides how much is allocated or read, and
/// it is read with pread(2): a mapping of a file that is cut off would be a SIGBUS. libelf
/// allocates what the header asks for, which can be gigabytes for a file of one page.
namespace rseq::explain {

struct Segment {
    std::uint32_t type = 0; ///< PT_LOAD, PT_INTERP, ...
    bool writable = false;
    std::uint64_t offset = 0; ///< in the file, as the other two: what the file says
    std::uint64_t address = 0;
    std::uint64_t size = 0; ///< bytes in the file
};

struct Section {
    std::string name;       ///< empty if it cannot be read
    std::uint32_t type = 0; ///< SHT_SYMTAB, ...
    std::uint32_t link = 0; ///< for a table of symbols, the index of the section with their names
    std::uint64_t offset = 0;
    std::uint64_t size = 0;
};

struct Symbol {
    std::string_view name;
    std::uint64_t address = 0;
};

struct ElfImage {
    int fd = -1;      ///< borrowed
    bool wide = true; ///< ELFCLASS64
    std::vector<Segment> segments;
    std::vector<Section> sections; ///< none if the file has none
    bool whole = true;             ///< no segment or section is missing here
};

/// Fails with ENOEXEC if the file is not an ELF file of this machine's byte order.
Result<ElfImage> read_image(int fd);

/// At most `size` bytes of the file from `offset` on: less if it has no more there.
std::string read_piece(int fd, std::uint64_t offset, std::size_t size);

/// Shows each symbol of the table `section` of the image that is defined and has a name. False if
/// the table, or its names, are larger than those of a C library can be, or damaged.
bool visit_symbols(const ElfImage& image, const Section& section,
                   const std::function<void(const Symbol&)>& visit);

} // namespace rseq::explain
