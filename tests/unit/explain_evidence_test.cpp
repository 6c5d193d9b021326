// SPDX-License-Identifier: GPL-2.0-or-later
// What is read of a process, from a /proc that is made up: its files are those below its root.
#include "explain/evidence.h"
#include "tmp_tree.h"
#include "unit/made_elf.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cerrno>
#include <csignal>
#include <cstdint>
#include <string>

using namespace rseq;
using namespace rseq::explain;
using namespace std::string_literals;
using rseq::test::MadeElf;
using rseq::test::TmpTree;
using rseq::test::tunables;

namespace {

std::string elf_with(const std::string& text, bool dynamic = false) {
    MadeElf elf;
    elf.segment(PT_LOAD, text);
    if (dynamic) {
        elf.segment(PT_INTERP, "/lib/ld.so");
    }
    return elf.bytes();
}

/// Process 42, whose root is the folder "root" of the tree.
class ProcessFiles : public testing::Test {
protected:
    ProcessFiles() {
        tree.file("42/stat", "42 (x) S 1 7 7 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 900 0 0\n");
        tree.file("42/status", "Name:\tx\nSeccomp:\t2\nSeccomp_filters:\t1\n");
        tree.file("42/environ", "GLIBC_TUNABLES=glibc.pthread.rseq=0\0"s);
        tree.file("42/maps", "");
        tree.file("42/mem", "");
        auxv({27, 33, 28, 64, 0, 0});
        tree.directory("42/map_files");
        tree.symlink("42/root", "../root");
        tree.symlink("42/exe", "/bin/program");
        tree.file("root/bin/program", elf_with("", true));
    }

    void auxv(const std::vector<std::uint64_t>& words) {
        tree.file("42/auxv", {reinterpret_cast<const char*>(words.data()),
                              words.size() * sizeof(std::uint64_t)});
    }

    /// Maps the file of the root, which has to be there.
    void map(const std::string& path, const std::string& suffix = "") {
        struct stat status {};
        ASSERT_EQ(::stat(tree.path("root" + path).c_str(), &status), 0) << path;
        maps += fmt::format("{0:x}000-{0:x}800 r--p 0 fe:00 {1} {2}{3}\n", ++mapped, status.st_ino,
                            path, suffix);
        tree.file("42/maps", maps);
    }

    Findings read() {
        Findings evidence;
        const auto done = read_process(tree.open().get(), {42, 900}, evidence);
        EXPECT_TRUE(done) << done.error().message();
        return evidence;
    }

    TmpTree tree;
    std::string maps;
    int mapped = 0;
};

TEST_F(ProcessFiles, AreReadOfTheProcessThatIsMeant) {
    Findings evidence;
    const auto other = read_process(tree.open().get(), {42, 901}, evidence);
    ASSERT_FALSE(other);
    EXPECT_EQ(other.error().code, ESRCH);
    EXPECT_FALSE(read_process(tree.open().get(), {43, 900}, evidence));
}

TEST_F(ProcessFiles, TellOfTheStart) {
    const auto evidence = read();
    EXPECT_EQ(evidence.auxv, (Auxv{33, 64, false}));
    ASSERT_TRUE(evidence.tunable);
    EXPECT_EQ(*evidence.tunable, std::optional(false));
    ASSERT_TRUE(evidence.seccomp);
    EXPECT_EQ(evidence.seccomp->filters, 1U);
}

// The kernel allows 65,536 groups.
TEST_F(ProcessFiles, ManyGroupsDoNotHideTheSeccompFilters) {
    std::string text = "Name:\tx\nGroups:\t";
    for (int group = 0; group < 70'000; ++group) {
        text += fmt::format("{} ", 4'000'000'000U + static_cast<unsigned>(group));
    }
    tree.file("42/status", text + "\nSeccomp:\t2\nSeccomp_filters:\t1\n");
    const auto evidence = read();
    ASSERT_TRUE(evidence.seccomp) << evidence.seccomp.error().message();
    EXPECT_EQ(evidence.seccomp->filters, 1U);
}

TEST_F(ProcessFiles, AnEmptyAuxvIsThatOfAProcessThatEnds) {
    auxv({});
    EXPECT_EQ(read().auxv.error().code, ESRCH);
}

TEST_F(ProcessFiles, AStaticProgramIsItsOwnLibrary) {
    tree.file("root/bin/program", elf_with(tunables));
    map("/bin/program");
    const auto evidence = read();
    ASSERT_TRUE(evidence.libc) << evidence.libc.error().message();
    EXPECT_EQ(evidence.libc->kind, LibcKind::glibc);
    EXPECT_TRUE(evidence.libc->is_static);
    EXPECT_EQ(evidence.libc->registers_rseq, true);
    EXPECT_EQ(evidence.libc->path, "/bin/program");
    EXPECT_EQ(evidence.libc->seen_in, "its list of tunables");
    EXPECT_EQ(evidence.libc->registers_seen_in, "its tunable glibc.pthread.rseq");
    ASSERT_FALSE(evidence.glibc_size);
    EXPECT_EQ(evidence.glibc_size.error().context,
              "there is no symbol __rseq_size in /bin/program");
}

TEST_F(ProcessFiles, ADeletedProgramIsNotThePathThatItHad) {
    tree.file("root/bin/program", elf_with(tunables));
    tree.remove("42/exe");
    tree.symlink("42/exe", "/bin/program (deleted)");
    map("/bin/program", " (deleted)");
    auto evidence = read();
    ASSERT_FALSE(evidence.libc);
    EXPECT_EQ(evidence.libc.error().code, ENOENT);

    // The mapping leads to it nevertheless.
    tree.symlink("42/map_files/1000-1800", "../../root/bin/program");
    evidence = read();
    ASSERT_TRUE(evidence.libc);
    EXPECT_TRUE(evidence.libc->is_static);
}

TEST_F(ProcessFiles, ALibraryIsTheFileThatIsMapped) {
    tree.file("root/lib/libc.so.6", elf_with("GNU C Library (D) stable release version 2.41.\n"));
    map("/bin/program");
    map("/lib/libc.so.6");
    const auto evidence = read();
    ASSERT_TRUE(evidence.libc);
    EXPECT_EQ(evidence.libc->version, "2.41");
    EXPECT_EQ(evidence.libc->banner, "D");
    EXPECT_FALSE(evidence.libc->is_static);
    EXPECT_EQ(evidence.libc->path, "/lib/libc.so.6");
}

TEST_F(ProcessFiles, AnotherFileAtThePathIsNotRead) {
    tree.file("root/lib/libc.so.6", elf_with("GNU C Library (D) stable release version 2.41.\n"));
    map("/bin/program");
    map("/lib/libc.so.6");
    tree.file("root/lib/new", elf_with("GNU C Library (D) stable release version 2.42.\n"));
    std::filesystem::rename(tree.path("root/lib/new"), tree.path("root/lib/libc.so.6"));
    EXPECT_EQ(read().libc.error().code, ESTALE);
}

TEST_F(ProcessFiles, WhatIsNoRegularFileIsNotRead) {
    tree.fifo("root/lib/libc.so.6");
    map("/bin/program");
    map("/lib/libc.so.6");
    EXPECT_EQ(read().libc.error().code, EINVAL);
    EXPECT_EQ(read().tcmalloc.error().code, EINVAL);
}

// To open a device can do something. Whoever opens a socket is told ENXIO.
TEST_F(ProcessFiles, WhatIsNoRegularFileIsNotEvenOpened) {
    tree.directory("root/lib");
    ASSERT_EQ(::mknod(tree.path("root/lib/libc.so.6").c_str(), S_IFSOCK | 0600, 0), 0);
    map("/lib/libc.so.6");
    EXPECT_EQ(read().libc.error().code, EINVAL);
    tree.symlink("42/map_files/1000-1800", "../../root/lib/libc.so.6");
    EXPECT_EQ(read().libc.error().code, EINVAL);
}

// A write lease lasts until the file is opened: then it is EAGAIN for whoever does not wait.
TEST_F(ProcessFiles, AnotherFileAtThePathIsNotEvenOpened) {
    tree.file("root/lib/libc.so.6", elf_with("GNU C Library (D) stable release version 2.41.\n"));
    map("/lib/libc.so.6");
    tree.file("root/lib/new", "");
    std::filesystem::rename(tree.path("root/lib/new"), tree.path("root/lib/libc.so.6"));
    const UniqueFd lessor(::open(tree.path("root/lib/libc.so.6").c_str(), O_RDWR | O_CLOEXEC));
    if (::fcntl(lessor.get(), F_SETLEASE, F_WRLCK) != 0) {
        GTEST_SKIP() << "SKIPPED: no leases on this file system";
    }
    auto* const before = ::signal(SIGIO, SIG_IGN); // it would end the test instead of failing it
    EXPECT_EQ(read().libc.error().code, ESTALE);
    ::signal(SIGIO, before);
}

TEST_F(ProcessFiles, LinksStayBelowTheRoot) {
    tree.file("outside/libc.so.6", elf_with("GNU C Library (D) stable release version 2.41.\n"));
    tree.directory("root/lib");
    tree.symlink("root/lib/libc.so.6", "../../outside/libc.so.6");
    map("/bin/program");
    map("/lib/libc.so.6");
    EXPECT_EQ(read().libc.error().code, ENOENT);
}

TEST_F(ProcessFiles, ADynamicProgramWithoutLibrariesHasItsLoader) {
    map("/bin/program");
    auto evidence = read();
    ASSERT_FALSE(evidence.libc);
    EXPECT_EQ(evidence.libc.error().context, "it is not among the files that are mapped");
    tree.file("root/lib64/ld-linux-x86-64.so.2", elf_with(tunables));
    map("/lib64/ld-linux-x86-64.so.2");
    evidence = read();
    ASSERT_TRUE(evidence.libc);
    EXPECT_EQ(evidence.libc->kind, LibcKind::glibc);
    EXPECT_FALSE(evidence.libc->is_static);
    EXPECT_EQ(evidence.libc->path, "/lib64/ld-linux-x86-64.so.2");
}

TEST_F(ProcessFiles, GlibcsWordIsInTheMemoryOfTheProcess) {
    MadeElf elf;
    elf.segment(PT_LOAD, tunables, 0x400000);
    elf.segments[0].p_offset = 0;
    elf.segments[0].p_filesz += sizeof(Elf64_Ehdr);
    elf.symbols(SHT_SYMTAB, {{"__rseq_size", 0x400010}});
    tree.file("root/bin/program", elf.bytes());
    map("/bin/program"); // at 0x1000
    const auto memory_with = [](std::uint32_t size) {
        return std::string(0x1010, '\0') +
               std::string(reinterpret_cast<const char*>(&size), sizeof(size));
    };
    tree.file("42/mem", memory_with(20));
    EXPECT_EQ(read().glibc_size, 20U);
    tree.file("42/mem", memory_with(4096));
    EXPECT_EQ(read().glibc_size, 4096U);
    tree.file("42/mem", memory_with(4097));
    EXPECT_EQ(read().glibc_size.error().code, EPROTO);
    tree.file("42/mem", memory_with(20).substr(0, 0x1013));
    EXPECT_FALSE(read().glibc_size);
}

TEST_F(ProcessFiles, TcmallocHasCriticalSections) {
    MadeElf elf;
    elf.segment(PT_LOAD, "tcmalloc");
    tree.file("root/lib/libx.so", elf.bytes());
    map("/lib/libx.so");
    EXPECT_EQ(read().tcmalloc, std::vector<std::string>());
    elf.section("__rseq_cs", SHT_PROGBITS, "x");
    tree.file("root/lib/liby.so", elf.bytes());
    map("/lib/liby.so");
    EXPECT_EQ(read().tcmalloc, std::vector<std::string>{"/lib/liby.so"});
}

TEST_F(ProcessFiles, DataIsNotLookedInto) {
    tree.fifo("root/data");
    map("/bin/program");
    map("/data");
    EXPECT_EQ(read().tcmalloc, std::vector<std::string>());
}

TEST_F(ProcessFiles, AFileThatIsNoElfIsNamed) {
    tree.file("root/lib/libc.so.6", "text");
    map("/bin/program");
    map("/lib/libc.so.6");
    const auto evidence = read();
    ASSERT_FALSE(evidence.libc);
    EXPECT_EQ(evidence.libc.error().context, "/lib/libc.so.6: not an ELF file");
}

TEST_F(ProcessFiles, MapsThatMakeNoSenseLeaveAllOfThemUnknown) {
    tree.file("42/maps", "nonsense\n");
    const auto evidence = read();
    EXPECT_EQ(evidence.libc.error().code, EPROTO);
    EXPECT_EQ(evidence.tcmalloc.error().code, EPROTO);
    EXPECT_EQ(evidence.glibc_size.error().code, EPROTO);
}

/// A process may map as many files as it likes.
TEST_F(ProcessFiles, AreLookedIntoUpToALimit) {
    MadeElf elf;
    elf.segment(PT_LOAD, "tcmalloc");
    elf.section("__rseq_cs", SHT_PROGBITS, "x");
    for (int i = 0; i < 65; ++i) {
        const std::string path = fmt::format("/lib/lib{}.so", i);
        tree.file("root" + path, elf.bytes());
        map(path);
    }
    EXPECT_EQ(read().tcmalloc->size(), 64U);
}

} // namespace
