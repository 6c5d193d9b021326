// SPDX-License-Identifier: GPL-2.0-or-later
#include "explain/elf_file.h"

#include "core/parse.h"

#include <gelf.h>
#include <libelf.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <string_view>
#include <vector>

namespace rseq::explain {

namespace {

constexpr std::uint64_t most_bytes = 100ULL << 20;
constexpr std::size_t chunk_size = 1U << 20;
/// Longer than any text that is looked for.
constexpr std::size_t overlap = 512;
/// Of a symbol table that is read: that of a C library, not that of a large program.
constexpr std::uint64_t most_symbol_bytes = 16ULL << 20;
constexpr std::size_t most_sections = 4096;
constexpr std::size_t longest_banner = 128;

struct EndElf {
    void operator()(Elf* elf) const noexcept { elf_end(elf); }
};

bool is_release(std::string_view text, unsigned parts) {
    for (unsigned part = 0; part < parts; ++part) {
        if (!parse_number<std::uint16_t>(take_until(text, '.'))) {
            return false;
        }
    }
    return text.empty();
}

/// musl has its release as a string of its own. Another string of that form leaves it open.
void find_musl_release(std::string_view text, ElfFacts& facts, bool& ambiguous) {
    constexpr std::size_t longest = 12;
    for (std::size_t start = text.find('\0'); start != std::string_view::npos;) {
        const std::size_t end = text.find('\0', start + 1);
        if (end == std::string_view::npos) {
            return;
        }
        const std::string_view word = text.substr(start + 1, end - start - 1);
        if (word.size() <= longest && is_release(word, 3)) {
            ambiguous = ambiguous || (!facts.libc_version.empty() && facts.libc_version != word);
            facts.libc_version = word;
        }
        start = end;
    }
}

void look_at(std::string_view text, ElfFacts& facts) {
    const auto has = [&](std::string_view needle) {
        return text.find(needle) != std::string_view::npos;
    };
    if (facts.libc_version.empty() && find_glibc_banner(text, facts)) {
        facts.libc = LibcKind::glibc;
    }
    if (has("Fatal glibc error: rseq registration failed")) {
        facts.registers_rseq = true;
        facts.libc = LibcKind::glibc;
    }
    if (facts.libc == LibcKind::unknown && has("musl libc (")) {
        facts.libc = LibcKind::musl;
    }
    facts.tcmalloc = facts.tcmalloc || has("tcmalloc");
}

/// Reads the part of the file and shows it to `look` in pieces that overlap.
template <class Look>
void scan(int fd, std::uint64_t offset, std::uint64_t size, Look look) {
    std::string buffer;
    while (size > 0) {
        const std::size_t kept = std::min(buffer.size(), overlap);
        buffer.erase(0, buffer.size() - kept);
        const auto wanted = static_cast<std::size_t>(std::min<std::uint64_t>(size, chunk_size));
        buffer.resize(kept + wanted);
        const ssize_t n = ::pread(fd, buffer.data() + kept, wanted, static_cast<off_t>(offset));
        if (n <= 0) {
            return; // shorter than it says: what is there was looked at
        }
        buffer.resize(kept + static_cast<std::size_t>(n));
        look(std::string_view(buffer));
        offset += static_cast<std::uint64_t>(n);
        size -= static_cast<std::uint64_t>(n);
    }
}

struct Segment {
    std::uint64_t offset = 0;
    std::uint64_t address = 0;
    std::uint64_t size = 0;
    bool writable = false;
};

std::vector<Segment> read_segments(Elf* elf, ElfFacts& facts) {
    std::vector<Segment> segments;
    std::size_t count = 0;
    if (elf_getphdrnum(elf, &count) != 0) {
        return segments;
    }
    for (std::size_t i = 0; i < std::min(count, most_sections); ++i) {
        GElf_Phdr header;
        if (gelf_getphdr(elf, static_cast<int>(i), &header) == nullptr) {
            break;
        }
        facts.dynamic = facts.dynamic || header.p_type == PT_INTERP;
        if (header.p_type == PT_LOAD) {
            segments.push_back(
                {header.p_offset, header.p_vaddr, header.p_filesz, (header.p_flags & PF_W) != 0U});
        }
    }
    return segments;
}

void find_symbol(Elf* elf, Elf_Scn* section, const GElf_Shdr& header, std::uint64_t base,
                 ElfFacts& facts) {
    if (header.sh_size > most_symbol_bytes || header.sh_entsize == 0) {
        return;
    }
    Elf_Data* data = elf_getdata(section, nullptr);
    const auto count = header.sh_size / header.sh_entsize;
    for (std::uint64_t i = 0; data != nullptr && i < count; ++i) {
        GElf_Sym symbol;
        if (gelf_getsym(data, static_cast<int>(i), &symbol) == nullptr) {
            return;
        }
        const char* name = elf_strptr(elf, header.sh_link, symbol.st_name);
        if (name != nullptr && std::string_view(name) == "__rseq_size" &&
            symbol.st_shndx != SHN_UNDEF && symbol.st_value >= base) {
            facts.rseq_size_at = symbol.st_value - base;
            return;
        }
    }
}

void read_sections(Elf* elf, std::uint64_t base, ElfFacts& facts) {
    std::size_t names = 0;
    if (elf_getshdrstrndx(elf, &names) != 0) {
        return;
    }
    std::size_t looked_at = 0;
    for (Elf_Scn* section = elf_nextscn(elf, nullptr);
         section != nullptr && looked_at < most_sections;
         section = elf_nextscn(elf, section), ++looked_at) {
        GElf_Shdr header;
        if (gelf_getshdr(section, &header) == nullptr) {
            return;
        }
        const char* name = elf_strptr(elf, names, header.sh_name);
        facts.critical_sections =
            facts.critical_sections || (name != nullptr && std::string_view(name) == "__rseq_cs");
        if ((header.sh_type == SHT_DYNSYM || header.sh_type == SHT_SYMTAB) && !facts.rseq_size_at) {
            find_symbol(elf, section, header, base, facts);
        }
    }
}

} // namespace

bool find_glibc_banner(std::string_view text, ElfFacts& facts) {
    constexpr std::string_view start = "GNU C Library (";
    constexpr std::string_view middle = "release version ";
    const auto at = text.find(start);
    if (at == std::string_view::npos) {
        return false;
    }
    text = text.substr(at + start.size(), 2 * longest_banner);
    const auto closed = text.find(')');
    const auto release = text.find(middle);
    if (closed == std::string_view::npos || closed > longest_banner ||
        release == std::string_view::npos || release < closed) {
        return false;
    }
    std::string_view version = text.substr(release + middle.size());
    version = version.substr(0, version.find_first_not_of("0123456789."));
    while (version.ends_with('.')) {
        version.remove_suffix(1);
    }
    if (!is_release(version, 2)) {
        return false;
    }
    facts.libc_banner = text.substr(0, closed);
    facts.libc_version = version;
    return true;
}

Result<ElfFacts> read_elf(int fd) {
    if (elf_version(EV_CURRENT) == EV_NONE) {
        return fail(ENOTSUP, "libelf is too old");
    }
    // Not ELF_C_READ_MMAP: the file may be cut off while it is read.
    const std::unique_ptr<Elf, EndElf> elf(elf_begin(fd, ELF_C_READ, nullptr));
    GElf_Ehdr header;
    if (!elf || elf_kind(elf.get()) != ELF_K_ELF || gelf_getehdr(elf.get(), &header) == nullptr) {
        return fail(ENOEXEC, "not an ELF file");
    }
    ElfFacts facts;
    const auto segments = read_segments(elf.get(), facts);
    facts.shared_library = header.e_type == ET_DYN && !facts.dynamic;
    const auto first = std::find_if(segments.begin(), segments.end(),
                                    [](const Segment& s) { return s.offset == 0; });
    read_sections(elf.get(), first == segments.end() ? 0 : first->address, facts);

    std::uint64_t left = most_bytes;
    for (const Segment& segment : segments) {
        const auto size = segment.writable ? 0 : std::min(segment.size, left);
        left -= size;
        scan(fd, segment.offset, size, [&](std::string_view text) { look_at(text, facts); });
    }
    if (facts.libc == LibcKind::musl) {
        bool ambiguous = false;
        for (const Segment& segment : segments) {
            scan(fd, segment.offset, segment.writable ? 0 : std::min(segment.size, most_bytes),
                 [&](std::string_view text) { find_musl_release(text, facts, ambiguous); });
        }
        facts.libc_version = ambiguous ? "" : facts.libc_version;
    }
    return facts;
}

} // namespace rseq::explain
