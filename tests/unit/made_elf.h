// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <elf.h>

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

namespace rseq::test {

/// An ELF file of 64 bits in the making: its header, what was added, and the tables of headers
/// last. Tests alter what they like in `header`, `segments` and `sections` before it is put
/// together.
struct MadeElf {
    Elf64_Ehdr header{};
    std::string contents;
    std::vector<Elf64_Phdr> segments;
    std::vector<Elf64_Shdr> sections = std::vector<Elf64_Shdr>(1);
    std::string names = std::string(1, '\0'); ///< of the sections

    MadeElf() {
        std::memcpy(static_cast<void*>(header.e_ident), ELFMAG, SELFMAG);
        header.e_ident[EI_CLASS] = ELFCLASS64;
        header.e_ident[EI_DATA] = ELFDATA2LSB;
        header.e_ident[EI_VERSION] = EV_CURRENT;
        header.e_type = ET_EXEC;
        header.e_phentsize = sizeof(Elf64_Phdr);
        header.e_shentsize = sizeof(Elf64_Shdr);
    }

    /// Returns the offset in the file.
    std::uint64_t add(std::string_view text) {
        contents += text;
        return sizeof(header) + contents.size() - text.size();
    }

    void segment(std::uint32_t type, std::string_view text, std::uint64_t address = 0x400000,
                 std::uint32_t flags = PF_R) {
        Elf64_Phdr one{};
        one.p_type = type;
        one.p_flags = flags;
        one.p_offset = add(text);
        one.p_vaddr = address;
        one.p_filesz = text.size();
        segments.push_back(one);
    }

    void section(std::string_view name, std::uint32_t type, std::string_view text,
                 std::uint32_t link = 0) {
        Elf64_Shdr one{};
        one.sh_name = static_cast<std::uint32_t>(names.size());
        one.sh_type = type;
        one.sh_link = link;
        one.sh_offset = add(text);
        one.sh_size = text.size();
        sections.push_back(one);
        names.append(name).push_back('\0');
    }

    /// A table of symbols, all of which are defined in section 1 if their address is not 0.
    struct MadeSymbol {
        std::string_view name;
        std::uint64_t address;
    };
    void symbols(std::uint32_t type, const std::vector<MadeSymbol>& list) {
        std::string strings(1, '\0');
        std::string table;
        for (const MadeSymbol& one : list) {
            Elf64_Sym symbol{};
            symbol.st_name = static_cast<std::uint32_t>(strings.size());
            symbol.st_shndx = one.address == 0 ? SHN_UNDEF : 1;
            symbol.st_value = one.address;
            table.append(reinterpret_cast<const char*>(&symbol), sizeof(symbol));
            strings.append(one.name).push_back('\0');
        }
        section(".strtab", SHT_STRTAB, strings);
        section(".symtab", type, table, static_cast<std::uint32_t>(sections.size() - 1));
    }

    /// With the section of the names of sections, which has none itself, and the tables.
    [[nodiscard]] std::string bytes() const {
        MadeElf whole = *this;
        if (whole.sections.size() > 1) {
            whole.section(".shstrtab", SHT_STRTAB, whole.names);
            whole.header.e_shoff = whole.add({reinterpret_cast<const char*>(whole.sections.data()),
                                              whole.sections.size() * sizeof(Elf64_Shdr)});
            whole.header.e_shnum = static_cast<std::uint16_t>(whole.sections.size());
            whole.header.e_shstrndx = static_cast<std::uint16_t>(whole.sections.size() - 1);
        }
        whole.header.e_phoff = whole.add({reinterpret_cast<const char*>(whole.segments.data()),
                                          whole.segments.size() * sizeof(Elf64_Phdr)});
        whole.header.e_phnum = static_cast<std::uint16_t>(whole.segments.size());
        return std::string(reinterpret_cast<const char*>(&whole.header), sizeof(header)) +
               whole.contents;
    }
};

/// The header of a file that was put together, to be altered.
inline Elf64_Ehdr header_of(const std::string& bytes) {
    Elf64_Ehdr header;
    std::memcpy(&header, bytes.data(), sizeof(header));
    return header;
}
inline std::string with_header(std::string bytes, const Elf64_Ehdr& header) {
    std::memcpy(bytes.data(), &header, sizeof(header));
    return bytes;
}

} // namespace rseq::test
