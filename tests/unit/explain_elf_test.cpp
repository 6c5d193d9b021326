// SPDX-License-Identifier: GPL-2.0-or-later
// What ELF files say of themselves: this program, made-up texts, and files that are none.
#include "explain/elf_file.h"
#include "tmp_tree.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <string>

using namespace rseq;
using namespace rseq::explain;
using rseq::test::TmpTree;

namespace {

Result<ElfFacts> read_path(const std::string& path) {
    const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    return fd ? read_elf(fd.get()) : fail_errno(path);
}

TEST(GlibcBanner, HasPackageAndRelease) {
    ElfFacts facts;
    EXPECT_TRUE(find_glibc_banner("xGNU C Library (Debian GLIBC 2.36-9+deb12u10) stable release "
                                  "version 2.36.\nCopyright",
                                  facts));
    EXPECT_EQ(facts.libc_version, "2.36");
    EXPECT_EQ(facts.libc_banner, "Debian GLIBC 2.36-9+deb12u10");
}

TEST(GlibcBanner, IsNotGuessed) {
    for (const char* text :
         {"", "GNU C Library (", "GNU C Library (x) stable release version two.",
          "GNU C Library x release version 2.36.", "release version 2.36. GNU C Library (x)"}) {
        ElfFacts facts;
        EXPECT_FALSE(find_glibc_banner(text, facts)) << text;
        EXPECT_EQ(facts.libc_version, "");
    }
}

TEST(Elf, ThisProgramIsDynamicAndHasNoCLibraryInIt) {
    const auto facts = read_path("/proc/self/exe");
    ASSERT_TRUE(facts) << facts.error().message();
    EXPECT_TRUE(facts->dynamic);
    EXPECT_FALSE(facts->shared_library);
    EXPECT_FALSE(facts->critical_sections);
}

TEST(Elf, AFileThatIsNoneIsRefused) {
    TmpTree tree;
    tree.file("text", "hello");
    tree.file("empty", "");
    tree.file("magic", "\177ELF");
    for (const char* name : {"text", "empty", "magic"}) {
        const auto facts = read_path(tree.path(name));
        ASSERT_FALSE(facts) << name;
        EXPECT_EQ(facts.error().code, ENOEXEC);
    }
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

} // namespace
