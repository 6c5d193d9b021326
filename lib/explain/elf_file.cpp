// SPDX-License-Identifier: GPL-2.0-or-later
#include "explain/elf_file.h"

#include "explain/elf_image.h"

#include <elf.h>

#include <algorithm>
#include <cerrno>
#include <string_view>

namespace rseq::explain {

namespace {

constexpr std::uint64_t most_bytes = 100ULL << 20;
constexpr std::size_t chunk_size = 1U << 20;

/// Reads the contents of the file and shows them to `look` in pieces that overlap. What is writable
/// is left out unless it is asked for. False if there is more than the limit, or less than the file
/// says.
template <class Look>
bool scan(const ElfImage& image, bool writable, Look look) {
    std::uint64_t left = most_bytes;
    bool whole = true;
    for (const Segment& segment : image.segments) {
        if (segment.type != PT_LOAD || (segment.writable && !writable)) {
            continue;
        }
        std::string buffer;
        for (std::uint64_t done = 0; done < segment.size;) {
            if (left == 0) {
                return false;
            }
            const auto wanted = std::min({segment.size - done, left, std::uint64_t{chunk_size}});
            const std::string piece = read_piece(image.fd, segment.offset + done, wanted);
            if (piece.empty()) {
                whole = false;
                break;
            }
            buffer.erase(0, buffer.size() - std::min(buffer.size(), mark_overlap));
            buffer += piece;
            look(std::string_view(buffer));
            done += piece.size();
            left -= piece.size();
        }
    }
    return whole;
}

/// musl has its release as a string of its own. Another string of that form leaves it open.
class MuslRelease {
public:
    void look_at(std::string_view text) {
        for (std::size_t start = text.find('\0'); start != std::string_view::npos;) {
            const std::size_t end = text.find('\0', start + 1);
            if (end == std::string_view::npos) {
                return;
            }
            const std::string_view word = text.substr(start + 1, end - start - 1);
            if (is_release(word, 3, 3)) {
                ambiguous_ = ambiguous_ || (!release_.empty() && release_ != word);
                release_ = word;
            }
            start = end;
        }
    }
    [[nodiscard]] std::string release() const { return ambiguous_ ? "" : release_; }

private:
    std::string release_;
    bool ambiguous_ = false;
};

/// The text at an address of the program.
std::string text_at(const ElfImage& image, std::uint64_t address) {
    constexpr std::size_t longest = 16;
    for (const Segment& segment : image.segments) {
        if (segment.type == PT_LOAD && address >= segment.address &&
            address - segment.address < segment.size) {
            const std::uint64_t skipped = address - segment.address;
            const auto size = std::min<std::uint64_t>(segment.size - skipped, longest);
            const std::string text = read_piece(image.fd, segment.offset + skipped, size);
            return text.substr(0, text.find('\0'));
        }
    }
    return {};
}

/// The address at which the file's offset 0 is mapped, by its own account.
std::uint64_t base_of(const ElfImage& image) {
    const auto first =
        std::find_if(image.segments.begin(), image.segments.end(), [](const Segment& segment) {
            return segment.type == PT_LOAD && segment.offset == 0;
        });
    return first == image.segments.end() ? 0 : first->address;
}

/// Of the two tables that a file may have, one of each kind. False if one cannot be read.
bool look_at_symbols(const ElfImage& image, ElfFacts& facts, LibcMarks& marks) {
    const std::uint64_t base = base_of(image);
    bool whole = true;
    for (const std::uint32_t type : {std::uint32_t{SHT_DYNSYM}, std::uint32_t{SHT_SYMTAB}}) {
        const auto table =
            std::find_if(image.sections.begin(), image.sections.end(),
                         [&](const Section& section) { return section.type == type; });
        if (table == image.sections.end()) {
            continue;
        }
        whole &= visit_symbols(image, *table, [&](const Symbol& symbol) {
            if (symbol.name == "__rseq_size" && symbol.address >= base && !facts.rseq_size_at) {
                facts.rseq_size_at = symbol.address - base;
            }
            look_at_symbol(symbol.name, marks);
            // For libthread_db, in programs that start threads.
            if ((symbol.name == "nptl_version" || symbol.name == "__nptl_version") &&
                marks.symbol_version.empty()) {
                const std::string version = text_at(image, symbol.address);
                marks.symbol_version = is_release(version, 2, 3) ? version : "";
            }
        });
    }
    return whole;
}

} // namespace

Result<ElfFacts> read_elf(int fd) {
    const auto image = read_image(fd);
    if (!image) {
        return tl::unexpected<Error>(image.error());
    }
    ElfFacts facts;
    facts.dynamic = std::any_of(image->segments.begin(), image->segments.end(),
                                [](const Segment& s) { return s.type == PT_INTERP; });
    LibcMarks marks;
    for (const Section& section : image->sections) {
        facts.critical_sections = facts.critical_sections || section.name == "__rseq_cs";
        look_at_section(section.name, marks);
    }
    const bool all_symbols = look_at_symbols(*image, facts, marks);
    const bool is_static = !facts.dynamic;
    const bool all_text = scan(
        *image, is_static, [&](std::string_view text) { look_at_text(text, is_static, marks); });
    facts.libc = judge(marks, is_static, {image->whole && all_text, all_symbols});
    facts.libc_banner = marks.banner;
    facts.tcmalloc = marks.tcmalloc;
    if (marks.musl_loader) {
        MuslRelease musl;
        scan(*image, false, [&](std::string_view text) { musl.look_at(text); });
        facts.libc.version =
            facts.libc.kind == LibcKind::musl ? musl.release() : facts.libc.version;
    }
    return facts;
}

} // namespace rseq::explain
