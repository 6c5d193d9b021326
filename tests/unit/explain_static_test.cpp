// SPDX-License-Identifier: GPL-2.0-or-later
// What is found in static programs that the compilers of this machine have made (tests/static).
#include "core/unique_fd.h"
#include "explain/elf_file.h"

#include <fcntl.h>
#include <gnu/libc-version.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <string>

using namespace rseq;
using namespace rseq::explain;

namespace {

/// The release of the glibc that the programs were linked with is that of this program.
const std::string release = ::gnu_get_libc_version();

bool glibc_registers() {
    return release.size() > 4 || release >= "2.35";
}

class StaticProgram : public testing::Test {
protected:
    /// False if there is no such program, because this machine has no such compiler.
    bool read(const std::string& name) {
        const std::string path = std::string(RSEQ_STATIC_PROGRAMS) + "/" + name;
        const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
        if (!fd) {
            return false;
        }
        auto read = read_elf(fd.get());
        EXPECT_TRUE(read) << read.error().message();
        facts = read ? std::move(*read) : ElfFacts();
        EXPECT_FALSE(facts.dynamic);
        return true;
    }
    ElfFacts facts;
};

class StaticGlibcProgram : public StaticProgram, public testing::WithParamInterface<std::string> {};

TEST_P(StaticGlibcProgram, TellsItsLibraryAndWhetherThatRegisters) {
    ASSERT_TRUE(read(GetParam()));
    EXPECT_EQ(facts.libc.kind, LibcKind::glibc);
    EXPECT_EQ(facts.libc.registers_rseq, glibc_registers());
    EXPECT_EQ(facts.libc.version, "");
    EXPECT_EQ(facts.libc.seen_in, "its list of tunables");
    const bool stripped = GetParam().ends_with("-stripped");
    EXPECT_EQ(facts.rseq_size_at.has_value(), !stripped && glibc_registers());
}

INSTANTIATE_TEST_SUITE_P(Made, StaticGlibcProgram,
                         testing::Values("glibc", "glibc-stripped", "glibc-pie",
                                         "glibc-pie-stripped", "glibc-threads-stripped"));

TEST_F(StaticProgram, WithThreadsAndSymbolsTellsTheRelease) {
    ASSERT_TRUE(read("glibc-threads"));
    EXPECT_EQ(facts.libc.version, release);
    EXPECT_EQ(facts.libc.seen_in, "its list of tunables and its symbol nptl_version");
}

TEST_F(StaticProgram, ThatAsksForTheReleaseTellsIt) {
    ASSERT_TRUE(read("glibc-release-stripped"));
    EXPECT_EQ(facts.libc.kind, LibcKind::glibc);
    EXPECT_EQ(facts.libc.version, release);
    EXPECT_NE(facts.libc_banner, "");
    EXPECT_EQ(facts.libc.seen_in, "its description of itself");
    EXPECT_EQ(facts.libc.registers_rseq, glibc_registers());
}

TEST_F(StaticProgram, WithMuslIsKnownByItsSymbols) {
    if (!read("musl")) {
        GTEST_SKIP() << "no musl-gcc (package musl-tools)";
    }
    EXPECT_EQ(facts.libc.kind, LibcKind::musl);
    EXPECT_EQ(facts.libc.seen_in, "its symbols");
    EXPECT_EQ(facts.libc.version, "");
}

TEST_F(StaticProgram, WithMuslAndNothingElseTellsNothingOnceItIsStripped) {
    if (!read("musl-stripped")) {
        GTEST_SKIP() << "no musl-gcc (package musl-tools)";
    }
    EXPECT_EQ(facts.libc.kind, LibcKind::unknown);
    EXPECT_EQ(facts.libc.seen_in, "neither symbols nor texts of glibc, musl or Go are in the file");
}

TEST_F(StaticProgram, WithMuslThatPrintsIsKnownByTexts) {
    if (!read("musl-texts-stripped")) {
        GTEST_SKIP() << "no musl-gcc (package musl-tools)";
    }
    EXPECT_EQ(facts.libc.kind, LibcKind::musl);
    EXPECT_EQ(facts.libc.seen_in, "its texts of errors");
}

TEST_F(StaticProgram, WithoutALibraryTellsNothing) {
    ASSERT_TRUE(read("no-libc"));
    EXPECT_EQ(facts.libc.kind, LibcKind::unknown);
    EXPECT_EQ(facts.libc.seen_in, "neither symbols nor texts of glibc, musl or Go are in the file");
}

TEST_F(StaticProgram, OfGoHasNoCLibrary) {
    if (!read("go")) {
        GTEST_SKIP() << "no go (package golang-go)";
    }
    EXPECT_EQ(facts.libc.kind, LibcKind::none);
    EXPECT_EQ(facts.libc.seen_in, "Go's build information");
}

TEST_F(StaticProgram, OfGoHasNoneOnceItIsStripped) {
    if (!read("go-stripped")) {
        GTEST_SKIP() << "no go (package golang-go)";
    }
    EXPECT_EQ(facts.libc.kind, LibcKind::none);
}

} // namespace
