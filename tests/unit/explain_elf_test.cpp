// SPDX-License-Identifier: GPL-2.0-or-later
// What ELF files say of themselves: this program, made-up files, and files that are damaged or
// none.
#include "explain/elf_file.h"
#include "explain/elf_image.h"
#include "tmp_tree.h"
#include "unit/made_elf.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <cerrno>
#include <cstddef>
#include <limits>
#include <string>

using namespace rseq;
using namespace rseq::explain;
using namespace std::string_literals;
using rseq::test::header_of;
using rseq::test::MadeElf;
using rseq::test::TmpTree;
using rseq::test::tunables;
using rseq::test::with_header;

namespace {

constexpr std::string_view go = "\xff Go buildinf:";

Result<ElfFacts> read_path(const std::string& path) {
    const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
    return fd ? read_elf(fd.get()) : fail_errno(path);
}

Result<ElfFacts> read_bytes(const std::string& bytes) {
    TmpTree tree;
    tree.file("elf", bytes);
    return read_path(tree.path("elf"));
}

/// The facts of a file that is one.
ElfFacts facts_of(const std::string& bytes) {
    auto facts = read_bytes(bytes);
    EXPECT_TRUE(facts) << facts.error().message();
    return facts.value_or(ElfFacts());
}

TEST(Elf, ThisProgramIsDynamicAndHasNoCLibraryInIt) {
    const auto facts = read_path("/proc/self/exe");
    ASSERT_TRUE(facts) << facts.error().message();
    EXPECT_TRUE(facts->dynamic);
    EXPECT_FALSE(facts->critical_sections);
}

TEST(Elf, AFileThatIsNoneIsRefused) {
    TmpTree tree;
    tree.file("text", "hello");
    tree.file("empty", "");
    tree.file("magic", "\177ELF");
    tree.file("ident", "\177ELF\2\1\1"s + std::string(9, '\0'));
    tree.file("class", "\177ELF\3\1\1"s + std::string(100, '\0'));
    tree.file("order", "\177ELF\2\2\1"s + std::string(100, '\0'));
    tree.file("other", "\177EL?\2\1\1"s + std::string(100, '\0'));
    tree.fifo("fifo");
    for (const char* name :
         {"text", "empty", "magic", "ident", "class", "order", "other", "fifo"}) {
        const auto facts = read_path(tree.path(name));
        ASSERT_FALSE(facts) << name;
        EXPECT_EQ(facts.error().code, ENOEXEC);
    }
}

TEST(Elf, AnInterpreterMakesItDynamic) {
    MadeElf elf;
    elf.segment(PT_LOAD, tunables);
    EXPECT_FALSE(facts_of(elf.bytes()).dynamic);
    EXPECT_EQ(facts_of(elf.bytes()).libc.kind, LibcKind::glibc);
    elf.segment(PT_INTERP, "/lib/ld.so");
    EXPECT_TRUE(facts_of(elf.bytes()).dynamic);
    EXPECT_EQ(facts_of(elf.bytes()).libc.kind, LibcKind::unknown);
}

/// glibc's list of tunables is relocated, and the build information of Go is data.
TEST(Elf, WhatIsWritableCountsInStaticProgramsOnly) {
    MadeElf elf;
    elf.segment(PT_LOAD, tunables + "tcmalloc", 0x400000, PF_R | PF_W);
    EXPECT_EQ(facts_of(elf.bytes()).libc.kind, LibcKind::glibc);
    EXPECT_TRUE(facts_of(elf.bytes()).tcmalloc);
    elf.segment(PT_INTERP, "/lib/ld.so");
    EXPECT_FALSE(facts_of(elf.bytes()).tcmalloc);
}

TEST(Elf, WhatIsNotLoadedDoesNotCount) {
    MadeElf elf;
    elf.segment(PT_NOTE, tunables);
    elf.add(tunables);
    EXPECT_EQ(facts_of(elf.bytes()).libc.kind, LibcKind::unknown);
}

TEST(Elf, TextsMayCrossThePiecesThatAreRead) {
    constexpr std::size_t piece = 1U << 20;
    const std::string texts = tunables + "GNU C Library (Debian) stable release version 2.36.\n";
    for (std::size_t in_first = 0; in_first <= texts.size(); in_first += 9) {
        MadeElf elf;
        elf.segment(PT_LOAD, std::string(piece - in_first, ' ') + texts + "more");
        const auto facts = facts_of(elf.bytes());
        EXPECT_EQ(facts.libc.version, "2.36") << in_first;
        EXPECT_EQ(facts.libc_banner, "Debian") << in_first;
        EXPECT_EQ(facts.libc.registers_rseq, true) << in_first;
    }
}

TEST(Elf, CriticalSectionsAreSections) {
    MadeElf elf;
    elf.section("__rseq_cs_", SHT_PROGBITS, "x");
    EXPECT_FALSE(facts_of(elf.bytes()).critical_sections);
    elf.section("__rseq_cs", SHT_PROGBITS, "x");
    elf.section(".text", SHT_PROGBITS, "x");
    EXPECT_TRUE(facts_of(elf.bytes()).critical_sections);
}

TEST(Elf, TheSizeOfTheAreaIsAtItsSymbol) {
    MadeElf elf;
    elf.segment(PT_PHDR, "x", 0x300000);
    elf.segment(PT_LOAD, "x", 0x500000);
    elf.segment(PT_LOAD, "x", 0x400000);
    elf.segments[0].p_offset = 0;
    elf.segments[2].p_offset = 0;
    for (const std::uint32_t type : {std::uint32_t{SHT_DYNSYM}, std::uint32_t{SHT_SYMTAB}}) {
        MadeElf one = elf;
        one.symbols(type, {{"__rseq_size", 0x400008, false},
                           {"x__rseq_size", 0x400001},
                           {"__rseq_size", 0x401234}});
        EXPECT_EQ(facts_of(one.bytes()).rseq_size_at, 0x1234U);
        one = elf;
        one.symbols(type, {{"__rseq_size", 0x3fffff}, {"main", 0x400001}});
        EXPECT_EQ(facts_of(one.bytes()).rseq_size_at, std::nullopt);
        one = elf;
        one.symbols(type, {{"__rseq_size", 0x400000}, {"__rseq_size", 0x400008}});
        EXPECT_EQ(facts_of(one.bytes()).rseq_size_at, 0U);
    }
    MadeElf other = elf;
    other.symbols(SHT_PROGBITS, {{"__rseq_size", 0x401234}});
    EXPECT_EQ(facts_of(other.bytes()).rseq_size_at, std::nullopt);
}

TEST(Elf, SymbolsTellOfTheCLibraryOfAStaticProgram) {
    MadeElf elf;
    elf.segment(PT_LOAD, "xx\0002.36\0002.37\0"s, 0x400000);
    elf.symbols(
        SHT_SYMTAB,
        {{"_nl_C_locobj", 0x400001}, {"__nptl_version", 0x400003}, {"__nptl_version", 0x400008}});
    const auto facts = facts_of(elf.bytes());
    EXPECT_EQ(facts.libc.kind, LibcKind::glibc);
    EXPECT_EQ(facts.libc.version, "2.36");
    elf.segment(PT_INTERP, "/lib/ld.so");
    EXPECT_EQ(facts_of(elf.bytes()).libc.kind, LibcKind::unknown);
}

TEST(Elf, AReleaseAtASymbolIsOne) {
    for (const auto& [text, address] : std::initializer_list<std::pair<std::string, std::uint32_t>>{
             {"2.36x\0"s, 0x400000}, // no release
             {"2.36\0"s, 0x3fffff},  // before the segment
             {"2.36\0"s, 0x400005},  // behind it
             {"2.36.123456789\0"s, 0x400000}}) {
        MadeElf elf;
        elf.segment(PT_LOAD, text, 0x400000);
        elf.symbols(SHT_SYMTAB, {{"_nl_C_locobj", 0x400001}, {"nptl_version", address}});
        EXPECT_EQ(facts_of(elf.bytes()).libc.kind, LibcKind::glibc);
        EXPECT_EQ(facts_of(elf.bytes()).libc.version, "") << text;
    }
    MadeElf last;
    last.segment(PT_NOTE, "x9.99", 0x400000);
    last.segment(PT_LOAD, "x2.36", 0x400000);
    last.add("99");
    last.symbols(SHT_SYMTAB, {{"_nl_C_locobj", 0x400001}, {"nptl_version", 0x400001}});
    EXPECT_EQ(facts_of(last.bytes()).libc.version, "2.36");
}

TEST(Elf, OneReleaseOfMuslIsBelieved) {
    MadeElf elf;
    const auto loader = "musl libc (x86_64)\n\0"s;
    elf.segment(PT_LOAD, loader + "1.2.3\0"s + "1.2\0"s + "1.2.3\0"s);
    EXPECT_EQ(facts_of(elf.bytes()).libc.version, "1.2.3");
    MadeElf later;
    later.segment(PT_LOAD, loader + "x\0001.2.3\0"s);
    EXPECT_EQ(facts_of(later.bytes()).libc.version, "1.2.3");
    later.segment(PT_LOAD, tunables, 0x500000);
    EXPECT_EQ(facts_of(later.bytes()).libc.kind, LibcKind::unknown);
    EXPECT_EQ(facts_of(later.bytes()).libc.version, "");
    elf.segment(PT_LOAD, "\0001.1.9\0"s, 0x500000, PF_R | PF_W);
    EXPECT_EQ(facts_of(elf.bytes()).libc.version, "1.2.3");
    elf.segment(PT_LOAD, "\0001.1.9\0"s, 0x600000);
    EXPECT_EQ(facts_of(elf.bytes()).libc.kind, LibcKind::musl);
    EXPECT_EQ(facts_of(elf.bytes()).libc.version, "");
}

TEST(Elf, HasThirtyTwoBitsToo) {
    rseq::test::MadeElfOf<rseq::test::Narrow> elf;
    elf.segment(PT_LOAD, tunables, 0x8048000);
    elf.segments[0].p_offset = 0;
    elf.segments[0].p_filesz += static_cast<std::uint32_t>(sizeof(Elf32_Ehdr));
    elf.section("__rseq_cs", SHT_PROGBITS, "x");
    elf.symbols(SHT_SYMTAB, {{"main", 0x8048004}, {"__rseq_size", 0x8048010}});
    const auto facts = facts_of(elf.bytes());
    EXPECT_EQ(facts.libc.registers_rseq, true);
    EXPECT_TRUE(facts.critical_sections);
    EXPECT_EQ(facts.rseq_size_at, 0x10U);
}

/// Absence is a finding only in a file of which all was looked at.
TEST(Elf, APartOfAFileDoesNotSayWhatIsMissing) {
    MadeElf elf;
    elf.segment(PT_LOAD, go);
    EXPECT_EQ(facts_of(elf.bytes()).libc.kind, LibcKind::none);

    MadeElf cut = elf;
    ++cut.segments[0].p_filesz;
    cut.segments[0].p_offset = sizeof(Elf64_Ehdr);
    cut.segments[0].p_filesz = 1U << 20;
    EXPECT_EQ(facts_of(cut.bytes()).libc.seen_in, "only a part of the file was looked at");

    MadeElf large = elf;
    large.segments[0].p_filesz = (100U << 20) + 1;
    TmpTree tree;
    tree.file("large", large.bytes());
    ASSERT_EQ(::truncate(tree.path("large").c_str(), 200L << 20), 0);
    EXPECT_EQ(read_path(tree.path("large"))->libc.seen_in, "only a part of the file was looked at");
    large.segments[0].p_filesz = 100U << 20;
    tree.file("large", large.bytes());
    ASSERT_EQ(::truncate(tree.path("large").c_str(), 200L << 20), 0);
    EXPECT_EQ(read_path(tree.path("large"))->libc.kind, LibcKind::none);

    elf.section("__rseq_cs", SHT_PROGBITS, "x");
    EXPECT_EQ(facts_of(elf.bytes()).libc.kind, LibcKind::none);
    for (const auto alter : std::initializer_list<void (*)(Elf64_Ehdr&)>{
             [](Elf64_Ehdr& header) { header.e_phnum = 100; },
             [](Elf64_Ehdr& header) { --header.e_phentsize; },
             [](Elf64_Ehdr& header) { --header.e_shentsize; },
             [](Elf64_Ehdr& header) { ++header.e_shnum; },
             [](Elf64_Ehdr& header) {
                 header.e_shoff = 1U << 30;
             }}) {
        auto header = header_of(elf.bytes());
        alter(header);
        EXPECT_EQ(facts_of(with_header(elf.bytes(), header)).libc.kind, LibcKind::unknown);
    }
    auto header = header_of(elf.bytes());
    --header.e_shentsize;
    EXPECT_FALSE(facts_of(with_header(elf.bytes(), header)).critical_sections);

    MadeElf names;
    names.symbols(SHT_SYMTAB, {{"main", 1}});
    EXPECT_NE(facts_of(names.bytes()).libc.seen_in, "only a part of the file was looked at");
    names.sections[1].sh_size = 1U << 20;
    EXPECT_EQ(facts_of(names.bytes()).libc.seen_in, "only a part of the file was looked at");
    names.sections[2].sh_type = SHT_PROGBITS;
    EXPECT_NE(facts_of(names.bytes()).libc.seen_in, "only a part of the file was looked at");
    auto header_of_names = header_of(names.bytes());
    header_of_names.e_phentsize = 0;
    EXPECT_EQ(facts_of(with_header(names.bytes(), header_of_names)).libc.seen_in,
              "only a part of the file was looked at");
}

TEST(Elf, SectionsTellOfTheCLibraryOfAStaticProgram) {
    MadeElf elf;
    elf.section("__libc_atexit", SHT_PROGBITS, "x");
    EXPECT_EQ(facts_of(elf.bytes()).libc.seen_in, "its sections");
}

TEST(Elf, MoreSectionsThanFitIntoTheHeaderAreCountedInTheFirst) {
    MadeElf elf;
    elf.section("__rseq_cs", SHT_PROGBITS, "x");
    elf.segment(PT_LOAD, go);
    elf.sections[0].sh_size = 3;
    elf.sections[0].sh_link = 2;
    auto header = header_of(elf.bytes());
    header.e_shnum = 0;
    header.e_shstrndx = SHN_XINDEX;
    const auto facts = facts_of(with_header(elf.bytes(), header));
    EXPECT_TRUE(facts.critical_sections);
    EXPECT_EQ(facts.libc.kind, LibcKind::none);
}

/// The file decides how much it says, not how much is read or allocated.
TEST(Elf, HugeTablesAreNotRead) {
    constexpr auto huge = std::uint64_t{1} << 40;
    constexpr auto last = std::numeric_limits<std::uint64_t>::max();
    TmpTree tree;
    for (const std::uint64_t size : {huge, last, last / sizeof(Elf64_Shdr)}) {
        MadeElf elf;
        elf.segment(PT_LOAD, tunables);
        elf.symbols(SHT_SYMTAB, {{"main", 1}});
        std::vector<std::string> files;
        for (const std::size_t section : {std::size_t{1}, std::size_t{2}}) {
            MadeElf one = elf;
            one.sections[section].sh_size = size;
            files.push_back(one.bytes());
            one.sections[section].sh_offset = last - 8;
            files.push_back(one.bytes());
        }
        MadeElf many = elf;
        many.sections[0].sh_size = size;
        auto header = header_of(many.bytes());
        header.e_shnum = 0;
        files.push_back(with_header(many.bytes(), header));
        MadeElf segments = elf;
        segments.segments.resize(8, segments.segments[0]);
        segments.segments[1].p_filesz = size;
        segments.segments[2].p_offset = size;
        segments.segments[3].p_vaddr = size;
        std::string names = elf.bytes(); // of the sections, which are the last one
        std::memcpy(names.data() + names.size() - sizeof(Elf64_Shdr) +
                        offsetof(Elf64_Shdr, sh_size),
                    &size, sizeof(size));
        files.push_back(names);
        files.push_back(segments.bytes());
        for (const std::string& file : files) {
            tree.file("elf", file);
            ASSERT_EQ(::truncate(tree.path("elf").c_str(), 1L << 40), 0);
            const auto facts = read_path(tree.path("elf"));
            ASSERT_TRUE(facts);
            EXPECT_EQ(facts->libc.kind, LibcKind::glibc);
        }
    }
    struct rusage used {};
    ASSERT_EQ(::getrusage(RUSAGE_SELF, &used), 0);
#ifndef __SANITIZE_ADDRESS__
    EXPECT_LT(used.ru_maxrss, 256 * 1024) << "KiB";
#endif
}

/// A file that is cut off or altered anywhere does no harm, whatever it says then.
TEST(Elf, DamageIsHarmless) {
    TmpTree tree;
    const auto own = open_directory("/proc/self").and_then([](const UniqueFd& dir) {
        return read_file(dir.get(), "exe", std::size_t{256} << 20U);
    });
    ASSERT_TRUE(own) << own.error().message();
    for (std::size_t length = 1; length < own->size(); length = length * 3 + 7) {
        tree.file("cut", own->substr(0, length));
        static_cast<void>(read_path(tree.path("cut")));
    }
    for (std::size_t at = 4; at < 512; at += 5) {
        std::string text = own->substr(0, 65536);
        text[at] = static_cast<char>(0xff);
        tree.file("altered", text);
        static_cast<void>(read_path(tree.path("altered")));
    }
}

TEST(ElfImage, ReadsWhatIsThere) {
    TmpTree tree;
    tree.file("file", "hello");
    const UniqueFd fd(::open(tree.path("file").c_str(), O_RDONLY | O_CLOEXEC));
    EXPECT_EQ(read_piece(fd.get(), 1, 3), "ell");
    EXPECT_EQ(read_piece(fd.get(), 1, 100), "ello");
    EXPECT_EQ(read_piece(fd.get(), 5, 1), "");
    EXPECT_EQ(read_piece(fd.get(), 0, 0), "");
    EXPECT_EQ(read_piece(fd.get(), std::numeric_limits<std::uint64_t>::max(), 2), "");
    EXPECT_EQ(read_piece(-1, 0, 2), "");
}

TEST(ElfImage, NamesHaveAnEndAndALimit) {
    MadeElf elf;
    const std::string longest(64, 'x');
    elf.symbols(SHT_SYMTAB, {{"a", 1}, {"", 1}, {longest, 1}, {longest + "x", 1}, {"last", 1}});
    elf.sections[1].sh_size -= 1; // of the names: the last one does not end
    TmpTree tree;
    tree.file("elf", elf.bytes());
    const UniqueFd fd(::open(tree.path("elf").c_str(), O_RDONLY | O_CLOEXEC));
    const auto image = read_image(fd.get());
    ASSERT_TRUE(image);
    std::vector<std::string> names;
    const auto collect = [&](const Symbol& symbol) {
        names.emplace_back(symbol.name);
    };
    EXPECT_TRUE(visit_symbols(*image, image->sections.at(2), collect));
    EXPECT_EQ(names, (std::vector<std::string>{"a", longest}));

    ElfImage damaged = *image;
    damaged.sections[2].link = 4;
    EXPECT_FALSE(visit_symbols(damaged, damaged.sections[2], collect));
    damaged.sections[2].link = 1;
    damaged.sections[1].size = 1U << 20;
    EXPECT_FALSE(visit_symbols(damaged, damaged.sections[2], collect));
    damaged.sections[1].size = image->sections[1].size;
    EXPECT_TRUE(visit_symbols(damaged, damaged.sections[2], collect));
    damaged.sections[2].size = 1U << 20;
    EXPECT_FALSE(visit_symbols(damaged, damaged.sections[2], collect));
}

} // namespace
