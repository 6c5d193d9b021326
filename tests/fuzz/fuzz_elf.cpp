// SPDX-License-Identifier: GPL-2.0-or-later
#include "core/unique_fd.h"
#include "explain/elf_file.h"
#include "explain/elf_image.h"
#include "fuzz.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

using namespace rseq;
using namespace rseq::explain;

namespace {

void check_image(const ElfImage& image, std::size_t size) {
    for (const Section& section : image.sections) {
        require(section.name.find('\0') == std::string::npos, "a name ends at its end");
        require(section.name.size() <= size, "a name is in the file");
        visit_symbols(image, section, [&](const Symbol& symbol) {
            require(!symbol.name.empty() && symbol.name.size() <= size, "a symbol has a name");
        });
    }
}

void check_facts(const ElfFacts& facts) {
    const LibcFound& libc = facts.libc;
    require(libc.version.empty() || is_release(libc.version, 2, 3), "a version is a release");
    require(libc.version.empty() || libc.kind == LibcKind::glibc || libc.kind == LibcKind::musl,
            "a version is that of a library");
    require(!libc.registers_rseq || libc.kind == LibcKind::glibc, "only glibc registers");
    require(facts.dynamic || !libc.seen_in.empty(), "it is said what was seen, or what was not");
    require(!facts.dynamic || libc.kind != LibcKind::none, "a dynamic program has libraries");
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static const UniqueFd file(::memfd_create("elf", MFD_CLOEXEC));
    require(::ftruncate(file.get(), 0) == 0 &&
                ::pwrite(file.get(), data, size, 0) == static_cast<ssize_t>(size),
            "the file can be written");
    const auto facts = read_elf(file.get());
    const auto image = read_image(file.get());
    require(facts.has_value() == image.has_value(), "what is an image has facts");
    if (!facts) {
        require(facts.error().code == ENOEXEC, "what is no ELF file is ENOEXEC");
        return 0;
    }
    require(size >= 16 && std::memcmp(data, "\177ELF", 4) == 0, "an ELF file begins as one");
    check_image(*image, size);
    check_facts(*facts);
    return 0;
}
