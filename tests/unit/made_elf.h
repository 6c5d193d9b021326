// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <elf.h>

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

namespace rseq::test {

/// The texts that a static glibc with the registration has.
inline const std::string tunables = [] {
    using namespace std::string_literals;
    return "\0GLIBC_TUNABLES\0"
           "\0glibc.malloc.top_pad\0\0\0glibc.malloc.mmap_threshold\0"
           "\0glibc.malloc.arena_max\0\0glibc.pthread.rseq\0"s;
}();

struct Wide {
    static constexpr unsigned char elf_class = ELFCLASS64;
    using Header = Elf64_Ehdr;
    using Segment = Elf64_Phdr;
    using Section = Elf64_Shdr;
    using Symbol = Elf64_Sym;
};
struct Narrow {
    static constexpr unsigned char elf_class = ELFCLASS32;
    using Header = Elf32_Ehdr;
    using Segment = Elf32_Phdr;
    using Section = Elf32_Shdr;
    using Symbol = Elf32_Sym;
};

/// An ELF file in the making: its header, what was added, and the tables of headers last. Tests
/// alter what they like in `segments` and `sections` before it is put together.
template <class Class>
struct MadeElfOf {
    using Segment = typename Class::Segment;
    using Section = typename Class::Section;

    typename Class::Header header{};
    std::string contents;
    std::vector<Segment> segments;
    std::vector<Section> sections = std::vector<Section>(1);
    std::string names = std::string(1, '\0'); ///< of the sections

    MadeElfOf() {
        std::memcpy(static_cast<void*>(header.e_ident), ELFMAG, SELFMAG);
        header.e_ident[EI_CLASS] = Class::elf_class;
        header.e_ident[EI_DATA] = ELFDATA2LSB;
        header.e_ident[EI_VERSION] = EV_CURRENT;
        header.e_type = ET_EXEC;
        header.e_phentsize = sizeof(Segment);
        header.e_shentsize = sizeof(Section);
    }

    /// Returns the offset in the file.
    std::uint32_t add(std::string_view text) {
        contents += text;
        return static_cast<std::uint32_t>(sizeof(header) + contents.size() - text.size());
    }

    void segment(std::uint32_t type, std::string_view text, std::uint32_t address = 0x400000,
                 std::uint32_t flags = PF_R) {
        Segment one{};
        one.p_type = type;
        one.p_flags = flags;
        one.p_offset = add(text);
        one.p_vaddr = address;
        one.p_filesz = static_cast<std::uint32_t>(text.size());
        segments.push_back(one);
    }

    void section(std::string_view name, std::uint32_t type, std::string_view text,
                 std::uint32_t link = 0) {
        Section one{};
        one.sh_name = static_cast<std::uint32_t>(names.size());
        one.sh_type = type;
        one.sh_link = link;
        one.sh_offset = add(text);
        one.sh_size = static_cast<std::uint32_t>(text.size());
        sections.push_back(one);
        names.append(name).push_back('\0');
    }

    struct MadeSymbol {
        std::string_view name;
        std::uint32_t address;
        bool defined = true;
    };
    /// Two sections: the names, and the table.
    void symbols(std::uint32_t type, const std::vector<MadeSymbol>& list) {
        std::string strings(1, '\0');
        std::string table;
        for (const MadeSymbol& one : list) {
            typename Class::Symbol symbol{};
            symbol.st_name = static_cast<std::uint32_t>(strings.size());
            symbol.st_shndx = one.defined ? 1 : SHN_UNDEF;
            symbol.st_value = one.address;
            table.append(reinterpret_cast<const char*>(&symbol), sizeof(symbol));
            strings.append(one.name).push_back('\0');
        }
        section(".strtab", SHT_STRTAB, strings);
        section(".symtab", type, table, static_cast<std::uint32_t>(sections.size() - 1));
    }

    /// With the section of the names of sections, which has none itself, and the tables, of which
    /// that of the sections is the last thing in the file.
    [[nodiscard]] std::string bytes() const {
        MadeElfOf whole = *this;
        whole.header.e_phoff = whole.add({reinterpret_cast<const char*>(whole.segments.data()),
                                          whole.segments.size() * sizeof(Segment)});
        whole.header.e_phnum = static_cast<std::uint16_t>(whole.segments.size());
        if (whole.sections.size() > 1) {
            whole.section("", SHT_STRTAB, names);
            whole.header.e_shoff = whole.add({reinterpret_cast<const char*>(whole.sections.data()),
                                              whole.sections.size() * sizeof(Section)});
            whole.header.e_shnum = static_cast<std::uint16_t>(whole.sections.size());
            whole.header.e_shstrndx = static_cast<std::uint16_t>(whole.sections.size() - 1);
        }
        return std::string(reinterpret_cast<const char*>(&whole.header), sizeof(header)) +
               whole.contents;
    }
};

using MadeElf = MadeElfOf<Wide>;

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
