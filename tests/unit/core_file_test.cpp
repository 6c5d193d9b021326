// SPDX-License-Identifier: GPL-2.0-or-later
#include "core/file.h"
#include "core/unique_fd.h"
#include "tmp_tree.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

using namespace rseq;
using rseq::test::TmpTree;
using namespace std::string_literals;

namespace {

bool is_open(int fd) {
    return ::fcntl(fd, F_GETFD) != -1;
}

class ReadFile : public testing::Test {
protected:
    TmpTree tree;
    UniqueFd root = tree.open();

    Result<std::string> read(const char* name, std::size_t limit = 4096) {
        return read_file(root.get(), name, limit);
    }
    int code_of(const char* name, std::size_t limit = 4096) {
        const auto content = read(name, limit);
        return content ? 0 : content.error().code;
    }
};

} // namespace

TEST_F(ReadFile, ReturnsEveryByteOfAFile) {
    const std::string content = "a\0b\xff\n"s;
    tree.file("x", content);
    EXPECT_EQ(read("x"), content);
}

TEST_F(ReadFile, ReturnsNothingForAnEmptyFile) {
    tree.file("x", "");
    EXPECT_EQ(read("x"), "");
}

TEST_F(ReadFile, ReadsAFileOfExactlyTheLimitAndRefusesOneByteMore) {
    for (const std::size_t limit : {0UL, 1UL, 4095UL, 4096UL, 4097UL, 70000UL}) {
        tree.file("fits", std::string(limit, 'x'));
        tree.file("long", std::string(limit + 1, 'x'));
        EXPECT_EQ(read("fits", limit), std::string(limit, 'x')) << limit;
        EXPECT_EQ(code_of("long", limit), EFBIG) << limit;
    }
}

TEST_F(ReadFile, StopsAtTheLimitOfAFileWithoutEnd) {
    EXPECT_EQ(code_of("/dev/zero", 1UL << 20U), EFBIG);
}

TEST_F(ReadFile, ReusesTheBufferAndLeavesNothingOfThePreviousFile) {
    tree.file("long", std::string(50000, 'x'));
    tree.file("short", "ab");
    std::string buffer;
    ASSERT_TRUE(read_file(root.get(), "long", 1UL << 20U, buffer));
    EXPECT_EQ(buffer.size(), 50000U);
    const std::size_t capacity = buffer.capacity();
    ASSERT_TRUE(read_file(root.get(), "short", 1UL << 20U, buffer));
    EXPECT_EQ(buffer, "ab");
    EXPECT_EQ(buffer.capacity(), capacity);
}

TEST_F(ReadFile, HandsOutNothingOfAFileThatItRefuses) {
    tree.file("long", std::string(100, 'x'));
    std::string buffer;
    ASSERT_FALSE(read_file(root.get(), "long", 50, buffer));
    EXPECT_EQ(buffer, "");
}

TEST_F(ReadFile, SaysWhichFileAndWhy) {
    const auto content = read("absent");
    ASSERT_FALSE(content);
    EXPECT_EQ(content.error().code, ENOENT);
    EXPECT_EQ(content.error().message(), "cannot open absent: No such file or directory");
}

TEST_F(ReadFile, ReportsADirectoryInPlaceOfAFile) {
    tree.directory("x");
    EXPECT_EQ(code_of("x"), EISDIR);
}

TEST_F(ReadFile, ReportsSymbolicLinksThatLeadNowhereOrInACircle) {
    tree.symlink("dangling", "absent");
    tree.symlink("circle", "circle");
    EXPECT_EQ(code_of("dangling"), ENOENT);
    EXPECT_EQ(code_of("circle"), ELOOP);
}

TEST_F(ReadFile, DoesNotHangOnAFifoWithoutWriter) {
    tree.fifo("pipe");
    EXPECT_EQ(read("pipe"), "");
}

TEST_F(ReadFile, DoesNotHangOnAFifoWhoseWriterIsSilent) {
    tree.fifo("pipe");
    const UniqueFd both(::openat(root.get(), "pipe", O_RDWR | O_CLOEXEC));
    ASSERT_TRUE(both);
    EXPECT_EQ(code_of("pipe"), EAGAIN);
}

TEST(OpenDirectory, RefusesWhatIsNotADirectory) {
    TmpTree tree;
    tree.file("x", "");
    EXPECT_EQ(open_directory(tree.path("x")).error().code, ENOTDIR);
    EXPECT_EQ(open_directory(tree.path("absent")).error().code, ENOENT);
    EXPECT_TRUE(open_directory(tree.path()));
}

TEST(OpenDirectory, IsNotInheritedByPrograms) {
    const auto fd = open_directory("/");
    ASSERT_TRUE(fd);
    EXPECT_NE(::fcntl(fd->get(), F_GETFD) & FD_CLOEXEC, 0);
}

TEST(UniqueFd, ClosesWhatItHoldsAtItsEnd) {
    int number = -1;
    {
        const UniqueFd fd(::open("/dev/null", O_RDONLY | O_CLOEXEC));
        ASSERT_TRUE(fd);
        number = fd.get();
        EXPECT_TRUE(is_open(number));
    }
    EXPECT_FALSE(is_open(number));
}

TEST(UniqueFd, PassesOnWhatItHoldsAndClosesWhatIsReplaced) {
    UniqueFd first(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    UniqueFd second(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    const int kept = first.get();
    const int replaced = second.get();
    second = std::move(first);
    EXPECT_EQ(second.get(), kept);
    EXPECT_TRUE(is_open(kept));
    EXPECT_FALSE(is_open(replaced));
    auto source = std::make_unique<UniqueFd>(std::move(second));
    const UniqueFd third(std::move(*source));
    source.reset();
    EXPECT_EQ(third.get(), kept);
    EXPECT_TRUE(is_open(kept));
}

TEST(UniqueFd, NoLongerClosesWhatWasReleased) {
    int number = -1;
    {
        UniqueFd fd(::open("/dev/null", O_RDONLY | O_CLOEXEC));
        number = fd.release();
        EXPECT_FALSE(fd);
    }
    EXPECT_TRUE(is_open(number));
    const UniqueFd cleaner(number);
}

TEST(Error, LeavesOutTheReasonWhereThereIsNone) {
    EXPECT_EQ((Error{0, "no such unit"}.message()), "no such unit");
    EXPECT_EQ((Error{EACCES, "cannot open x"}.message()), "cannot open x: Permission denied");
}

TEST(Error, TakesTheErrnoOfTheCallThatFailed) {
    errno = EPERM;
    const auto result = Result<int>(fail_errno("a context that is too long for a small string"));
    EXPECT_EQ(result.error().code, EPERM);
}

namespace {

class ReplaceFile : public testing::Test {
protected:
    TmpTree tree;
    UniqueFd root = tree.open();

    Result<void> replace(const std::string& name, std::string_view text) {
        return replace_file(root.get(), name, text, 0644);
    }
    std::string content(const char* name) {
        return read_file(root.get(), name, 4096).value_or("none");
    }
    std::size_t files() {
        std::size_t count = 0;
        for ([[maybe_unused]] const auto& entry :
             std::filesystem::directory_iterator(tree.path())) {
            ++count;
        }
        return count;
    }
};

TEST_F(ReplaceFile, MakesAFileOrReplacesItsWholeContent) {
    EXPECT_TRUE(replace("x", "first, and longer"));
    EXPECT_EQ(content("x"), "first, and longer");
    EXPECT_TRUE(replace("x", "second"));
    EXPECT_EQ(content("x"), "second");
    EXPECT_EQ(files(), 1U);
}

TEST_F(ReplaceFile, TheModeIsTheOneAskedForWhateverTheUmask) {
    const mode_t before = ::umask(0077);
    EXPECT_TRUE(replace("x", "text"));
    ::umask(before);
    struct stat status {};
    ASSERT_EQ(::stat(tree.path("x").c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 07777U, 0644U);
}

TEST_F(ReplaceFile, WhoReadsTheOldContentKeepsIt) {
    tree.file("x", "old");
    const UniqueFd old(::openat(root.get(), "x", O_RDONLY));
    EXPECT_TRUE(replace("x", "new"));
    std::array<char, 8> buffer{};
    EXPECT_EQ(::read(old.get(), buffer.data(), buffer.size()), 3);
    EXPECT_EQ(std::string(buffer.data()), "old");
}

TEST_F(ReplaceFile, ReplacesALinkAndNotWhatItPointsTo) {
    tree.file("target", "target");
    tree.symlink("x", "target");
    EXPECT_TRUE(replace("x", "text"));
    EXPECT_EQ(content("x"), "text");
    EXPECT_EQ(content("target"), "target");
}

TEST_F(ReplaceFile, AFailureLeavesNothingBehindAndTheOldContentInPlace) {
    tree.directory("x/below");
    const auto done = replace("x", "text");
    ASSERT_FALSE(done);
    EXPECT_EQ(done.error().code, EISDIR);
    EXPECT_EQ(files(), 1U);
}

} // namespace
