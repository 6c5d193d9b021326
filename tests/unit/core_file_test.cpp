// SPDX-License-Identifier: GPL-2.0-or-later
#include "core/file.h"
#include "core/unique_fd.h"
#include "tmp_tree.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <memory>
#include <string>
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
