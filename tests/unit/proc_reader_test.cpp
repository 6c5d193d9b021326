// SPDX-License-Identifier: GPL-2.0-or-later
#include "proc/proc_reader.h"
#include "tmp_tree.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cerrno>
#include <limits>
#include <numeric>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

using namespace rseq;
using namespace rseq::proc;
using rseq::test::TmpTree;
using namespace std::string_literals;

namespace {

const std::string& stat_tail() {
    static const std::string text = " S 1 7 7 0 -1 4194560 0 0 0 0 0 0 0 0 20 0 3 0 900 0 0\n";
    return text;
}

class Proc : public testing::Test {
protected:
    TmpTree tree;
    ProcReader reader{tree.open()};

    /// The directory of process 7, which has to be there.
    ProcessDir process() {
        auto dir = reader.open(7);
        if (!dir) {
            throw std::runtime_error(dir.error().message());
        }
        return std::move(*dir);
    }
};

template <class T>
int code_of(const Result<T>& result) {
    return result ? 0 : result.error().code;
}

} // namespace

TEST_F(Proc, ListsTheNumberedDirectoriesInAscendingOrder) {
    for (const std::string name : {"12", "7", "4194304", "1", "self", "sys", "1x", "-3", "+4", "0",
                                   "0x10", "99999999999999999999", "2147483648"}) {
        tree.directory(name);
    }
    EXPECT_EQ(reader.processes(), (std::vector<pid_t>{1, 7, 12, 4194304}));
}

TEST_F(Proc, OfAnEmptyTreeHasNoProcesses) {
    EXPECT_EQ(reader.processes(), std::vector<pid_t>{});
}

TEST_F(Proc, HasNoProcessOfANumberThatIsNotThere) {
    for (const pid_t pid :
         {0, -1, 7, std::numeric_limits<pid_t>::max(), std::numeric_limits<pid_t>::min()}) {
        EXPECT_EQ(code_of(reader.open(pid)), ENOENT) << pid;
    }
    EXPECT_EQ(reader.open(7).error().message(), "cannot open /proc/7: No such file or directory");
}

TEST_F(Proc, AFileInPlaceOfAProcessIsAnError) {
    tree.file("7", "");
    EXPECT_EQ(code_of(reader.open(7)), ENOTDIR);
}

TEST_F(Proc, ReadsTheIdentityOfAProcess) {
    tree.file("7/stat", "7 (a) \n(\x1b)" + stat_tail());
    ProcessDir dir = process();
    const auto identity = dir.identity();
    ASSERT_TRUE(identity) << identity.error().message();
    EXPECT_EQ(identity->comm, "a) \n(\x1b");
    EXPECT_EQ(identity->start_ticks, 900U);
    EXPECT_EQ(identity->threads, 3U);
    EXPECT_FALSE(identity->kernel_thread);
}

TEST_F(Proc, ReadsCgroupThreadGroupAndThreadNames) {
    tree.file("7/cgroup", "0::/system.slice/a.service\n");
    tree.file("7/status", "Name:\tTgid:\t5\nUmask:\t0022\nTgid:\t7\nNgid:\t0\nPid:\t9\n");
    tree.file("7/task/7/stat", "7 (main)" + stat_tail());
    tree.file("7/task/9/stat", "9 (a\nb\xff)" + stat_tail());
    ProcessDir dir = process();
    EXPECT_EQ(dir.cgroup(), "/system.slice/a.service");
    EXPECT_EQ(dir.thread_group(), 7);
    EXPECT_EQ(dir.threads(), (std::vector<pid_t>{7, 9}));
    EXPECT_EQ(dir.thread_identity(7)->comm, "main");
    EXPECT_EQ(dir.thread_identity(9)->comm, "a\nb\xff");
}

TEST_F(Proc, ReadsTheRseqFilesOfThePatchedKernel) {
    tree.file("7/rseq", "Threads:\t1\nUnregistered:\t0\nV1:\t0\nV2:\t1\nSlice_enabled:\t0\n"
                        "Slice_granted:\t0\nSlice_yielded:\t0\nSlice_syscall:\t0\n"
                        "Slice_expired:\t0\nSlice_revoked:\t0\nPolicy:\tauto deny\n");
    tree.file("7/task/9/rseq", "Version:\t1\nLength:\t32\n");
    ProcessDir dir = process();
    const auto group = dir.rseq();
    ASSERT_TRUE(group) << group.error().message();
    EXPECT_EQ(group->threads, ModeCounts{.v2 = 1});
    const auto thread = dir.thread_rseq(9);
    ASSERT_TRUE(thread) << thread.error().message();
    EXPECT_EQ(thread->registration.length, 32U);
}

TEST_F(Proc, KnowsAKernelWithoutOurFiles) {
    EXPECT_FALSE(reader.has_rseq_files());
    tree.directory("7");
    EXPECT_EQ(code_of(process().rseq()), ENOENT);
    EXPECT_EQ(code_of(process().thread_rseq(7)), ENOENT);
}

TEST_F(Proc, KnowsAKernelWithOurFiles) {
    tree.file("8/rseq", "");
    tree.symlink("self", "8");
    EXPECT_TRUE(reader.has_rseq_files());
}

TEST_F(Proc, AProcessThatVanishesIsGoneFromItsOpenDirectoryToo) {
    tree.file("7/stat", "7 (a)" + stat_tail());
    tree.file("7/task/7/stat", "7 (a)" + stat_tail());
    ProcessDir dir = process();
    ASSERT_TRUE(dir.identity());
    tree.remove("7");
    tree.file("7/stat", "7 (another)" + stat_tail());
    tree.directory("7/task/7");
    EXPECT_EQ(code_of(dir.identity()), ENOENT);
    EXPECT_EQ(code_of(dir.cgroup()), ENOENT);
    EXPECT_EQ(code_of(dir.thread_group()), ENOENT);
    EXPECT_EQ(code_of(dir.threads()), ENOENT);
    EXPECT_EQ(code_of(dir.rseq()), ENOENT);
    EXPECT_EQ(code_of(dir.thread_rseq(7)), ENOENT);
    EXPECT_EQ(code_of(dir.thread_identity(7)), ENOENT);
}

TEST_F(Proc, FilesThatCannotBeReadAreErrors) {
    for (const std::string name :
         {"stat", "cgroup", "status", "rseq", "task/7/rseq", "task/7/stat"}) {
        tree.directory("7/" + name);
    }
    tree.file("8/task", "");
    tree.symlink("9/task", "absent");
    ProcessDir dir = process();
    EXPECT_EQ(code_of(dir.identity()), EISDIR);
    EXPECT_EQ(code_of(dir.cgroup()), EISDIR);
    EXPECT_EQ(code_of(dir.thread_group()), EISDIR);
    EXPECT_EQ(code_of(dir.rseq()), EISDIR);
    EXPECT_EQ(code_of(dir.thread_rseq(7)), EISDIR);
    EXPECT_EQ(code_of(dir.thread_identity(7)), EISDIR);
    EXPECT_EQ(code_of(reader.open(8)->threads()), ENOTDIR);
    EXPECT_EQ(code_of(reader.open(9)->threads()), ENOENT);
}

TEST_F(Proc, FilesOfTheWrongKindDoNotMakeItHang) {
    tree.fifo("7/stat");
    tree.symlink("7/cgroup", "cgroup");
    tree.symlink("7/status", "/dev/zero");
    ProcessDir dir = process();
    EXPECT_EQ(code_of(dir.identity()), EPROTO);
    EXPECT_EQ(code_of(dir.cgroup()), ELOOP);
    EXPECT_EQ(code_of(dir.thread_group()), EFBIG);
}

TEST_F(Proc, EmptyAndBinaryFilesAreErrors) {
    for (const std::string& content : {""s, "\0\0\0\0"s,
                                       "\x7f"
                                       "ELF\x02\x01\n"s,
                                       "\n"s, std::string(4000, '\xff')}) {
        for (const std::string name : {"stat", "cgroup", "status", "rseq", "task/7/rseq"}) {
            tree.file("7/" + name, content);
        }
        ProcessDir dir = process();
        EXPECT_EQ(code_of(dir.identity()), EPROTO);
        EXPECT_EQ(code_of(dir.cgroup()), EPROTO);
        EXPECT_EQ(code_of(dir.thread_group()), EPROTO);
        EXPECT_EQ(code_of(dir.rseq()), EPROTO);
        EXPECT_EQ(code_of(dir.thread_rseq(7)), EPROTO);
    }
}

TEST_F(Proc, HugeFilesAreErrorsAndTheNextFileIsStillRead) {
    const std::string huge((1UL << 20U) + 1, '7');
    for (const std::string name :
         {"stat", "cgroup", "status", "rseq", "task/7/rseq", "task/7/stat"}) {
        tree.file("7/" + name, huge);
    }
    tree.file("7/task/9/stat", "9 (b)" + stat_tail());
    ProcessDir dir = process();
    EXPECT_EQ(code_of(dir.identity()), EFBIG);
    EXPECT_EQ(code_of(dir.cgroup()), EFBIG);
    EXPECT_EQ(code_of(dir.thread_group()), EFBIG);
    EXPECT_EQ(code_of(dir.rseq()), EFBIG);
    EXPECT_EQ(code_of(dir.thread_rseq(7)), EFBIG);
    EXPECT_EQ(code_of(dir.thread_identity(7)), EFBIG);
    EXPECT_EQ(dir.thread_identity(9)->comm, "b");
}

TEST_F(Proc, AStatusWithoutAWholeThreadGroupIsAnError) {
    for (const std::string text : {"Name:\ta\n", "Tgid:\t\n", "Tgid:\tx\n", "Tgid:\t-x\n",
                                   "Tgid:\t99999999999\n", "Tgid:\t7", "Tgid\n"}) {
        tree.file("7/status", text);
        EXPECT_EQ(code_of(process().thread_group()), EPROTO) << text;
    }
}

// The kernel allows 65,536 groups.
TEST_F(Proc, TheStatusOfAProcessWithManyGroupsIsReadAsWell) {
    std::string text = "Name:\ta\nTgid:\t7\nUid:\t1000\t1001\t1002\t1003\nGroups:\t";
    for (int group = 0; group < 70'000; group++) {
        text += std::to_string(4'000'000'000U + static_cast<unsigned>(group)) + " ";
    }
    tree.file("7/status", text + "\nNStgid:\t7\n");
    ProcessDir dir = process();
    EXPECT_EQ(dir.thread_group(), 7);
    EXPECT_EQ(dir.effective_uid(), 1001U);
}

TEST_F(Proc, AThreadThatHasBegunToExitIsSeenToBe) {
    tree.file("7/stat", "7 (a) S 1 7 7 0 -1 4194564 0 0 0 0 0 0 0 0 20 0 2 0 900 0 0\n");
    tree.file("7/task/9/stat", "9 (b) S 1 7 7 0 -1 4194560 0 0 0 0 0 0 0 0 20 0 2 0 950 0 0\n");
    ProcessDir dir = process();
    EXPECT_TRUE(dir.identity()->exiting);
    EXPECT_FALSE(dir.thread_identity(9)->exiting);
    EXPECT_EQ(dir.thread_identity(9)->start_ticks, 950U);
}

TEST_F(Proc, ReadsTheProgramWithoutTheMarkOfADeletedOne) {
    tree.directory("7");
    EXPECT_EQ(code_of(process().exe()), ENOENT);
    tree.symlink("7/exe", "/usr/bin/a b");
    EXPECT_EQ(process().exe(), "/usr/bin/a b");
    tree.remove("7/exe");
    tree.symlink("7/exe", "/usr/bin/a (deleted)");
    EXPECT_EQ(process().exe(), "/usr/bin/a");
}

TEST_F(Proc, ListsAllOf32768Threads) {
    for (int tid = 1; tid <= 32768; tid++) {
        tree.directory("7/task/" + std::to_string(tid));
    }
    std::vector<pid_t> expected(32768);
    std::iota(expected.begin(), expected.end(), 1);
    EXPECT_EQ(process().threads(), expected);
}

TEST(ProcOfTheMachine, ShowsThisProcess) {
    auto root = open_directory("/proc");
    if (!root) {
        GTEST_SKIP() << root.error().message();
    }
    const ProcReader reader(std::move(*root));
    auto dir = reader.open(::getpid());
    ASSERT_TRUE(dir) << dir.error().message();
    const auto identity = dir->identity();
    ASSERT_TRUE(identity) << identity.error().message();
    EXPECT_FALSE(identity->kernel_thread);
    EXPECT_GT(identity->start_ticks, 0U);
    EXPECT_EQ(dir->thread_group(), ::getpid());
    const auto threads = dir->threads();
    ASSERT_TRUE(threads) << threads.error().message();
    EXPECT_EQ(threads->front(), ::getpid());
    EXPECT_EQ(identity->threads, threads->size());
}
