// SPDX-License-Identifier: GPL-2.0-or-later
// What /proc has of a program, parsed.
#include "explain/process_text.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <cstdint>
#include <string>
#include <vector>

using namespace rseq::explain;
using namespace std::string_literals;

namespace {

template <class Word>
std::string vector_of(const std::vector<Word>& words) {
    return {reinterpret_cast<const char*>(words.data()), words.size() * sizeof(Word)};
}

TEST(Maps, ListsEachFileOnceByItsFirstMapping) {
    const auto files = parse_maps("55d0-55d1 r--p 00000000 fe:00 17                  /usr/bin/a b\n"
                                  "55d1-55d2 r-xp 00001000 fe:00 17                  /usr/bin/a b\n"
                                  "7f00-7f01 rw-p 00000000 00:00 0 \n"
                                  "7f01-7f02 r--p 00002000 fe:00 18  /lib/x.so (deleted)\n"
                                  "7ffc-7ffd rw-p 00000000 00:00 0                  [stack]\n");
    ASSERT_TRUE(files);
    ASSERT_EQ(files->size(), 2U);
    EXPECT_EQ((*files)[0].path, "/usr/bin/a b");
    EXPECT_EQ((*files)[0].start, 0x55d0U);
    EXPECT_EQ((*files)[0].end, 0x55d1U);
    EXPECT_FALSE((*files)[0].deleted);
    EXPECT_EQ((*files)[1].path, "/lib/x.so");
    EXPECT_EQ((*files)[1].offset, 0x2000U);
    EXPECT_TRUE((*files)[1].deleted);
}

/// At a path there may have been several, and a file may be at several.
TEST(Maps, TellsFilesApartByInodeAndPath) {
    const auto files = parse_maps("1-2 r--p 0 fe:00 1 /a\n"
                                  "2-3 r--p 0 fe:00 2 /a\n"
                                  "3-4 r--p 0 fe:00 1 /b\n"
                                  "4-5 r--p 0 fe:00 2 /a\n");
    ASSERT_TRUE(files);
    EXPECT_EQ(files->size(), 3U);
}

TEST(Maps, MayHaveAsManyFilesAsThereMayBeMappings) {
    std::string text;
    for (int i = 1; i <= 65530; ++i) {
        text += std::to_string(i) + "000-" + std::to_string(i) + "800 r--p 0 fe:00 " +
                std::to_string(i) + " /a\n";
    }
    const auto files = parse_maps(text);
    ASSERT_TRUE(files);
    EXPECT_EQ(files->size(), 65530U);
}

TEST(Maps, PutsNewlinesBackIntoPaths) {
    const auto files = parse_maps("1-2 r--p 0 fe:00 1 /a\\012b\\x\n");
    ASSERT_TRUE(files);
    EXPECT_EQ(files->at(0).path, "/a\nb\\x");
}

TEST(Maps, RefusesWhatIsNoMapping) {
    for (const char* text :
         {"nonsense\n", "2-1 r--p 0 fe:00 1 /a\n", "1-1 r--p 0 fe:00 1 /a\n",
          "z-2 r--p 0 fe:00 1 /a\n", "1-z r--p 0 fe:00 1 /a\n", "1-2 r--p 0 fe:00 z /a\n",
          "1-2 r--p z fe:00 1 /a\n", "1-2 r--p 0 fe:00\n", "\n"}) {
        const auto files = parse_maps(text);
        ASSERT_FALSE(files) << text;
        EXPECT_EQ(files.error().code, EPROTO);
    }
}

TEST(AuxiliaryVector, HasBothEntriesOfRseqInBothWidths) {
    const Auxv wanted{33, 64, true};
    EXPECT_EQ(parse_auxv(vector_of<std::uint64_t>({23, 1, 27, 33, 28, 64, 0, 0})), wanted);
    EXPECT_EQ(parse_auxv(vector_of<std::uint32_t>({23, 1, 27, 33, 28, 64, 0, 0})), wanted);
}

TEST(AuxiliaryVector, MayLackThem) {
    EXPECT_EQ(parse_auxv(vector_of<std::uint64_t>({6, 4096, 0, 0})), Auxv());
}

TEST(AuxiliaryVector, HasNoEntriesOfLargeNumbers) {
    EXPECT_TRUE(parse_auxv(vector_of<std::uint64_t>({1024, 1, 0, 0})));
    EXPECT_FALSE(parse_auxv(vector_of<std::uint64_t>({1025, 1, 0, 0})));
}

TEST(AuxiliaryVector, HasToEnd) {
    EXPECT_FALSE(parse_auxv(vector_of<std::uint64_t>({6, 4096, 27, 33})));
    EXPECT_FALSE(parse_auxv(""));
    EXPECT_FALSE(parse_auxv("\1\2\3"s));
}

TEST(Tunable, IsTakenOutOfTheEnvironment) {
    EXPECT_EQ(rseq_tunable("A=1\0GLIBC_TUNABLES=glibc.pthread.rseq=0\0B=2\0"s), false);
    EXPECT_EQ(rseq_tunable("GLIBC_TUNABLES=glibc.malloc.check=1:glibc.pthread.rseq=1\0"s), true);
    EXPECT_EQ(rseq_tunable("GLIBC_TUNABLES=glibc.pthread.rseq=0x0"), false);
    EXPECT_EQ(rseq_tunable("GLIBC_TUNABLES=glibc.pthread.rseq=01"), true);
}

TEST(Tunable, TheLastOneCounts) {
    EXPECT_EQ(rseq_tunable("GLIBC_TUNABLES=glibc.pthread.rseq=0:glibc.pthread.rseq=1\0"s), true);
}

TEST(Tunable, WhatGlibcIgnoresIsIgnored) {
    for (const auto& text :
         {""s, "GLIBC_TUNABLES="s, "GLIBC_TUNABLES=glibc.pthread.rseq=2"s,
          "GLIBC_TUNABLES=glibc.pthread.rseq=-1"s, "GLIBC_TUNABLES=glibc.pthread.rseq="s,
          "GLIBC_TUNABLES=xglibc.pthread.rseq=0"s, "XGLIBC_TUNABLES=glibc.pthread.rseq=0"s,
          "glibc.pthread.rseq=0"s}) {
        EXPECT_EQ(rseq_tunable(text), std::nullopt) << text;
    }
}

TEST(Seccomp, IsInStatus) {
    const auto seccomp = parse_seccomp("Name:\tx\nSeccomp:\t2\nSeccomp_filters:\t3\n");
    ASSERT_TRUE(seccomp);
    EXPECT_EQ(seccomp->mode, 2U);
    EXPECT_EQ(seccomp->filters, 3U);
    EXPECT_FALSE(parse_seccomp("Name:\tx\n"));
}

} // namespace
