// SPDX-License-Identifier: GPL-2.0-or-later
#include "explain/elf_image.h"

#include <elf.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>
#include <limits>
#include <optional>

namespace rseq::explain {

namespace {

constexpr std::uint64_t most_headers = 4096;
constexpr std::uint64_t most_name_bytes = 1ULL << 20;
/// Of a table of symbols, and of the names of these.
constexpr std::uint64_t most_symbol_bytes = 16ULL << 20;
constexpr std::size_t longest_name = 64;

struct Elf32 {
    using Header = Elf32_Ehdr;
    using Program = Elf32_Phdr;
    using Section = Elf32_Shdr;
    using Symbol = Elf32_Sym;
};
struct Elf64 {
    using Header = Elf64_Ehdr;
    using Program = Elf64_Phdr;
    using Section = Elf64_Shdr;
    using Symbol = Elf64_Sym;
};

/// The item with that index of a table, which may end before it.
template <class T>
std::optional<T> item(std::string_view table, std::size_t index) {
    if (index >= table.size() / sizeof(T)) {
        return std::nullopt;
    }
    T result;
    std::memcpy(&result, table.data() + index * sizeof(T), sizeof(T));
    return result;
}

/// The text at `at`, which ends with a null byte; empty if it does not, or is longer than any that
/// is looked for. Without that limit, as many names of as many bytes take an hour.
std::string_view name_at(std::string_view names, std::uint64_t at) {
    if (at >= names.size()) {
        return {};
    }
    names = names.substr(static_cast<std::size_t>(at), longest_name + 1);
    const auto end = names.find('\0');
    return end == std::string_view::npos ? std::string_view() : names.substr(0, end);
}

template <class Class>
void read_segments(const typename Class::Header& header, ElfImage& image) {
    using Program = typename Class::Program;
    if (header.e_phentsize != sizeof(Program)) {
        image.whole = false;
        return;
    }
    const auto wanted = std::min<std::uint64_t>(header.e_phnum, most_headers);
    const std::string table = read_piece(image.fd, header.e_phoff, wanted * sizeof(Program));
    image.whole = table.size() == header.e_phnum * sizeof(Program);
    for (std::size_t i = 0; const auto program = item<Program>(table, i); ++i) {
        image.segments.push_back({program->p_type, (program->p_flags & PF_W) != 0U,
                                  program->p_offset, program->p_vaddr, program->p_filesz});
    }
}

template <class Class>
void read_sections(const typename Class::Header& header, ElfImage& image) {
    using Header = typename Class::Section;
    if (header.e_shoff == 0) {
        return;
    }
    // Section 0 has the numbers that are too large for the header.
    const auto zeroth = item<Header>(read_piece(image.fd, header.e_shoff, sizeof(Header)), 0);
    if (header.e_shentsize != sizeof(Header) || !zeroth) {
        image.whole = false;
        return;
    }
    const std::uint64_t count = header.e_shnum != 0 ? header.e_shnum : zeroth->sh_size;
    const std::uint64_t names_index =
        header.e_shstrndx != SHN_XINDEX ? header.e_shstrndx : zeroth->sh_link;
    const auto wanted = std::min(count, most_headers);
    const std::string table = read_piece(image.fd, header.e_shoff, wanted * sizeof(Header));
    image.whole = image.whole && table.size() / sizeof(Header) == count;

    std::string names;
    const auto names_header = item<Header>(table, names_index);
    if (names_header && names_header->sh_size <= most_name_bytes) {
        names = read_piece(image.fd, names_header->sh_offset, names_header->sh_size);
    }
    for (std::size_t i = 0; const auto section = item<Header>(table, i); ++i) {
        image.sections.push_back({std::string(name_at(names, section->sh_name)), section->sh_type,
                                  section->sh_link, section->sh_offset, section->sh_size});
    }
}

template <class Class>
Result<ElfImage> read_image_of(ElfImage image) {
    const auto header =
        item<typename Class::Header>(read_piece(image.fd, 0, sizeof(typename Class::Header)), 0);
    if (!header) {
        return fail(ENOEXEC, "not an ELF file");
    }
    read_segments<Class>(*header, image);
    read_sections<Class>(*header, image);
    return image;
}

template <class Class>
void visit_symbols_of(std::string_view table, std::string_view names,
                      const std::function<void(const Symbol&)>& visit) {
    for (std::size_t i = 0; const auto symbol = item<typename Class::Symbol>(table, i); ++i) {
        const std::string_view name = name_at(names, symbol->st_name);
        if (symbol->st_shndx != SHN_UNDEF && !name.empty()) {
            visit({name, symbol->st_value});
        }
    }
}

} // namespace

std::string read_piece(int fd, std::uint64_t offset, std::size_t size) {
    std::string piece(size, '\0');
    std::size_t done = 0;
    while (done < size) {
        constexpr auto last = static_cast<std::uint64_t>(std::numeric_limits<off_t>::max());
        const ssize_t n = offset > last - size ? 0
                                               : ::pread(fd, piece.data() + done, size - done,
                                                         static_cast<off_t>(offset + done));
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            break;
        }
        done += static_cast<std::size_t>(n);
    }
    piece.resize(done);
    return piece;
}

Result<ElfImage> read_image(int fd) {
    constexpr int data = std::endian::native == std::endian::little ? ELFDATA2LSB : ELFDATA2MSB;
    const std::string ident = read_piece(fd, 0, EI_NIDENT);
    if (ident.size() != EI_NIDENT || !ident.starts_with(ELFMAG) || ident[EI_DATA] != data) {
        return fail(ENOEXEC, "not an ELF file");
    }
    ElfImage image;
    image.fd = fd;
    switch (ident[EI_CLASS]) {
    case ELFCLASS32:
        image.wide = false;
        return read_image_of<Elf32>(std::move(image));
    case ELFCLASS64:
        return read_image_of<Elf64>(std::move(image));
    default:
        return fail(ENOEXEC, "not an ELF file");
    }
}

bool visit_symbols(const ElfImage& image, const Section& section,
                   const std::function<void(const Symbol&)>& visit) {
    if (section.link >= image.sections.size()) {
        return false;
    }
    const Section& strings = image.sections[section.link];
    if (section.size > most_symbol_bytes || strings.size > most_symbol_bytes) {
        return false;
    }
    const std::string table = read_piece(image.fd, section.offset, section.size);
    const std::string names = read_piece(image.fd, strings.offset, strings.size);
    if (image.wide) {
        visit_symbols_of<Elf64>(table, names, visit);
    } else {
        visit_symbols_of<Elf32>(table, names, visit);
    }
    return table.size() == section.size && names.size() == strings.size;
}

} // namespace rseq::explain
