// SPDX-License-Identifier: GPL-2.0-or-later
// Which texts, sections and symbols of a file tell of which C library.
#include "explain/libc_marks.h"

#include <gtest/gtest.h>

#include <string>

using namespace rseq::explain;
using namespace std::string_literals;

namespace {

constexpr LookedAt everything{true, true};

const std::string tunables = "\0GLIBC_TUNABLES\0"
                             "\0glibc.malloc.top_pad\0\0\0glibc.malloc.mmap_threshold\0"
                             "\0glibc.malloc.arena_max\0"s;
const std::string rseq_tunable = "\0glibc.pthread.rseq\0"s;
const std::string musl_texts = "No error information\0Illegal byte sequence\0Domain error\0"
                               "Result not representable\0Not a tty\0Permission denied\0"s;
const std::string go = "\xff Go buildinf:\10\0"s;

LibcMarks marks_of(const std::string& text, bool is_static = true) {
    LibcMarks marks;
    look_at_text(text, is_static, marks);
    return marks;
}

LibcFound found_in(const std::string& text, bool is_static = true) {
    return judge(marks_of(text, is_static), is_static, everything);
}

TEST(GlibcBanner, HasPackageAndRelease) {
    LibcMarks marks;
    EXPECT_TRUE(find_glibc_banner("xGNU C Library (Debian GLIBC 2.36-9+deb12u10) stable release "
                                  "version 2.36.\nCopyright",
                                  marks));
    EXPECT_EQ(marks.banner_version, "2.36");
    EXPECT_EQ(marks.banner, "Debian GLIBC 2.36-9+deb12u10");
    const auto found = judge(marks, false, everything);
    EXPECT_EQ(found.kind, LibcKind::glibc);
    EXPECT_EQ(found.version, "2.36");
    EXPECT_EQ(found.seen_in, "its description of itself");
}

TEST(GlibcBanner, OfADevelopmentVersionHasThreeParts) {
    LibcMarks marks;
    EXPECT_TRUE(find_glibc_banner(
        "GNU C Library (GNU libc) development release version 2.42.9000.\n", marks));
    EXPECT_EQ(marks.banner_version, "2.42.9000");
}

TEST(GlibcBanner, IsNotGuessed) {
    for (const std::string& text :
         {""s, "GNU C Library ("s, "GNU C Library (x) stable release version two.\n"s,
          "GNU C Library (x) stable release version 2.\n"s,
          "GNU C Library (x) stable release version 2.36"s,
          "GNU C Library (x) stable release version 2.36.1.1.\n"s,
          "GNU C Library x release version 2.36.\n"s,
          "GNU C Library (x\0) stable release version 2.36.\n"s,
          "GNU C Library (release version 2.36.)\n"s,
          "GNU C Library (x)" + std::string(256, 'x') + " release version 2.36.\n",
          "GNU C Library (" + std::string(129, 'x') + ") release version 2.36.\n",
          "release version 2.36. GNU C Library (x)\n"s}) {
        LibcMarks marks;
        EXPECT_FALSE(find_glibc_banner(text, marks)) << text;
        EXPECT_EQ(marks.banner_version, "");
        EXPECT_EQ(marks.banner, "");
    }
}

TEST(GlibcBanner, MayFollowOneThatIsNone) {
    LibcMarks marks;
    EXPECT_TRUE(
        find_glibc_banner("GNU C Library (\0GNU C Library (x) release version 2.36.\n"s, marks));
    EXPECT_EQ(marks.banner, "x");

    LibcMarks second;
    EXPECT_TRUE(find_glibc_banner("GNU C Library (x) release version 2.36\0"
                                  "GNU C Library (y) release version 2.37.\n"s,
                                  second));
    EXPECT_EQ(second.banner, "y");
}

TEST(GlibcBanner, MayBeAsLongAsItsLimit) {
    LibcMarks marks;
    EXPECT_TRUE(find_glibc_banner(
        "GNU C Library (" + std::string(128, 'x') + ") release version 2.36.\n", marks));
}

TEST(Release, HasNumbersBetweenDots) {
    EXPECT_TRUE(is_release("2.36", 2, 3));
    EXPECT_TRUE(is_release("1.2.3", 3, 3));
    EXPECT_TRUE(is_release("2.42.9000", 2, 3));
    for (const char* text : {"", "2", "2.", ".2", "2..3", "2.36.", "2.x", "2.36.1.1", "2.70000"}) {
        EXPECT_FALSE(is_release(text, 2, 3)) << text;
    }
    EXPECT_FALSE(is_release("2.36", 3, 3));
}

TEST(StaticGlibc, IsKnownByItsListOfTunables) {
    const auto found = found_in(tunables + rseq_tunable);
    EXPECT_EQ(found.kind, LibcKind::glibc);
    EXPECT_EQ(found.version, "");
    EXPECT_EQ(found.registers_rseq, true);
    EXPECT_EQ(found.seen_in, "its list of tunables");
    EXPECT_EQ(found.registers_seen_in, "its tunable glibc.pthread.rseq");
}

TEST(StaticGlibc, WithoutTheTunableDoesNotRegister) {
    const auto found = found_in(tunables);
    EXPECT_EQ(found.kind, LibcKind::glibc);
    EXPECT_EQ(found.registers_rseq, false);
    EXPECT_EQ(found.registers_seen_in, "its list of tunables, which lacks glibc.pthread.rseq");
}

TEST(StaticGlibc, MayHaveTheTunableInAPartThatWasNotLookedAt) {
    const auto found = judge(marks_of(tunables), true, {false, true});
    EXPECT_EQ(found.kind, LibcKind::glibc);
    EXPECT_EQ(found.registers_rseq, std::nullopt);
    EXPECT_EQ(judge(marks_of(tunables), true, {true, false}).registers_rseq, false);
}

TEST(StaticGlibc, HasWholeNamesInItsList) {
    for (std::string text :
         {tunables + "xglibc.pthread.rseq\0"s, tunables + "\0glibc.pthread.rseq="s,
          tunables + "\0glibc.pthread.rseq"s}) {
        EXPECT_EQ(found_in(text).registers_rseq, false) << text;
    }
}

/// A program that has to do with tunables may name some.
TEST(StaticGlibc, HasAllOfItsListAndTheNameOfItsVariable) {
    for (const char* name : {"GLIBC_TUNABLES", "glibc.malloc.top_pad",
                             "glibc.malloc.mmap_threshold", "glibc.malloc.arena_max"}) {
        std::string text = tunables + rseq_tunable;
        text[text.find(name)] = '_';
        EXPECT_EQ(found_in(text).kind, LibcKind::unknown) << name;
        EXPECT_EQ(found_in(text).registers_rseq, std::nullopt) << name;
    }
    EXPECT_EQ(found_in("x" + tunables.substr(1) + rseq_tunable).kind, LibcKind::unknown);
    std::string longer = tunables;
    longer[longer.find("GLIBC_TUNABLES") + 14] = '=';
    EXPECT_EQ(found_in(longer).kind, LibcKind::unknown);
}

TEST(StaticGlibc, MayBeSeenInParts) {
    LibcMarks marks;
    look_at_text(tunables.substr(0, 40), true, marks);
    look_at_text(tunables.substr(10), true, marks);
    look_at_text(rseq_tunable, true, marks);
    look_at_text("nothing", true, marks);
    EXPECT_EQ(judge(marks, true, everything).registers_rseq, true);
}

TEST(StaticGlibc, IsKnownByItsMessageToo) {
    const auto found = found_in("Fatal glibc error: rseq registration failed\n");
    EXPECT_EQ(found.kind, LibcKind::glibc);
    EXPECT_EQ(found.registers_rseq, true);
    EXPECT_EQ(found.registers_seen_in, "its message for a failed registration");
}

TEST(StaticGlibc, IsKnownByItsSectionsAndSymbols) {
    for (const char* name :
         {"__libc_freeres_fn", "__libc_atexit", "__libc_subfreeres", "__libc_IO_vtables"}) {
        LibcMarks marks;
        look_at_section(name, marks);
        look_at_section(".text", marks);
        const auto found = judge(marks, true, everything);
        EXPECT_EQ(found.kind, LibcKind::glibc) << name;
        EXPECT_EQ(found.seen_in, "its sections");
        EXPECT_EQ(found.registers_rseq, std::nullopt);
        EXPECT_EQ(judge(marks, false, everything).kind, LibcKind::unknown);
    }
    LibcMarks marks;
    look_at_symbol("_nl_C_locobj", marks);
    look_at_symbol("main", marks);
    EXPECT_EQ(judge(marks, true, everything).seen_in, "its symbols");
    EXPECT_EQ(judge(marks, false, everything).kind, LibcKind::unknown);
}

TEST(StaticGlibc, NeedsItsListForWhatIsInIt) {
    auto marks = marks_of(rseq_tunable);
    look_at_symbol("_nl_C_locobj", marks);
    EXPECT_EQ(judge(marks, true, everything).kind, LibcKind::glibc);
    EXPECT_EQ(judge(marks, true, everything).registers_rseq, std::nullopt);
}

TEST(StaticGlibc, HasItsReleaseAtASymbol) {
    auto marks = marks_of(tunables);
    marks.symbol_version = "2.36";
    EXPECT_EQ(judge(marks, true, everything).version, "2.36");
    EXPECT_EQ(judge(marks, true, everything).seen_in,
              "its list of tunables and its symbol nptl_version");
    marks.banner_version = "2.37";
    EXPECT_EQ(judge(marks, true, everything).version, "2.37");
    EXPECT_EQ(judge(marks, true, everything).seen_in, "its description of itself");
}

TEST(StaticMusl, IsKnownByItsTextsOfErrors) {
    const auto found = found_in(musl_texts);
    EXPECT_EQ(found.kind, LibcKind::musl);
    EXPECT_EQ(found.version, "");
    EXPECT_EQ(found.seen_in, "its texts of errors");
}

TEST(StaticMusl, IsKnownByTwoSymbols) {
    LibcMarks marks;
    look_at_symbol("__init_libc", marks);
    EXPECT_EQ(judge(marks, true, everything).kind, LibcKind::unknown);
    look_at_symbol("__init_tls", marks);
    EXPECT_EQ(judge(marks, true, everything).kind, LibcKind::musl);
    EXPECT_EQ(judge(marks, true, everything).seen_in, "its symbols");
    EXPECT_EQ(judge(marks, false, everything).kind, LibcKind::unknown);
}

TEST(SharedMusl, IsKnownByWhatItsLoaderSays) {
    const auto found = found_in("musl libc (x86_64)\nVersion %s\n", false);
    EXPECT_EQ(found.kind, LibcKind::musl);
    EXPECT_EQ(found.seen_in, "its loader's description of itself");
}

/// A program with libraries may have any text; its C library is another file.
TEST(DynamicProgram, IsNotJudgedByTheTextsOfStaticOnes) {
    for (const std::string& text : {tunables + rseq_tunable, musl_texts, go}) {
        const auto found = found_in(text, false);
        EXPECT_EQ(found.kind, LibcKind::unknown) << text;
        EXPECT_EQ(found.seen_in, "");
    }
    EXPECT_EQ(judge(marks_of(tunables + musl_texts + go), false, everything).kind,
              LibcKind::unknown);
}

TEST(TwoLibraries, LeaveItOpen) {
    const auto found = found_in(tunables + musl_texts);
    EXPECT_EQ(found.kind, LibcKind::unknown);
    EXPECT_EQ(found.seen_in, "the file has marks of both glibc and musl");
}

TEST(Go, HasNoCLibrary) {
    const auto found = found_in(go + "/usr/lib/go/src/runtime/cgo_mmap.go\0runtime/cgocall.go"s);
    EXPECT_EQ(found.kind, LibcKind::none);
    EXPECT_EQ(found.seen_in, "Go's build information");

    LibcMarks old;
    look_at_section(".note.go.buildid", old);
    EXPECT_EQ(judge(old, true, everything).kind, LibcKind::none);
}

TEST(Go, WithCHasOne) {
    for (const char* of_c : {"/go/src/runtime/cgo/callbacks.go", "runtime/cgo: out of memory"}) {
        const auto found = found_in(go + "runtime/cgocall.go" + of_c);
        EXPECT_EQ(found.kind, LibcKind::unknown) << of_c;
        EXPECT_EQ(found.seen_in, "a Go program with C in it, which shows nothing of its C library");
        EXPECT_EQ(found_in(go + of_c + musl_texts).kind, LibcKind::musl);
        EXPECT_EQ(found_in(go + of_c + tunables).kind, LibcKind::glibc);
    }
}

TEST(Go, WithCIsSeenInOnePart) {
    LibcMarks marks;
    look_at_text("runtime/cgo/callbacks.go", true, marks);
    look_at_text(go + "runtime/cgocall.go", true, marks);
    look_at_text("runtime/cgocall.go", true, marks);
    EXPECT_EQ(judge(marks, true, everything).kind, LibcKind::unknown);
}

TEST(Go, MayHaveCInAPartThatWasNotLookedAt) {
    const auto found = judge(marks_of(go), true, {false, true});
    EXPECT_EQ(found.kind, LibcKind::unknown);
    EXPECT_EQ(found.seen_in, "only a part of the file was looked at");
    EXPECT_EQ(judge(marks_of(go), true, {true, false}).kind, LibcKind::none);
}

TEST(Unknown, SaysWhy) {
    EXPECT_EQ(found_in("").seen_in,
              "neither symbols nor texts of glibc, musl or Go are in the file");
    EXPECT_EQ(judge({}, true, {true, false}).seen_in, "only a part of the file was looked at");
    EXPECT_EQ(judge({}, true, {false, true}).seen_in, "only a part of the file was looked at");
    EXPECT_EQ(judge({}, false, {false, false}).seen_in, "");
    EXPECT_EQ(judge(marks_of(go), false, everything).seen_in, "");
}

TEST(Tcmalloc, IsSeenAndKept) {
    auto marks = marks_of("a tcmalloc.h", false);
    EXPECT_TRUE(marks.tcmalloc);
    look_at_text("", false, marks);
    EXPECT_TRUE(marks.tcmalloc);
}

} // namespace
