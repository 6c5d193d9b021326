// SPDX-License-Identifier: GPL-2.0-or-later
#include "tmp_tree.h"
#include "trace/pipes.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <vector>

namespace rseq::test {
namespace {

using trace::Pipes;

/// An instance whose pipes are fifos, and the kernel's lists of CPUs.
class PipesTest : public testing::Test {
protected:
    void SetUp() override {
        for (const char* cpu : {"0", "1", "2"}) {
            const std::string folder = std::string("instance/per_cpu/cpu") + cpu;
            tree.fifo(folder + "/trace_pipe_raw");
        }
        tree.file("cpus/possible", "0-2\n");
        tree.file("cpus/online", "0,2\n");
    }

    Pipes open() { return Pipes::open(tree.path("instance"), tree.path("cpus")).value(); }

    std::vector<unsigned> take_new(Pipes& pipes) {
        auto taken = pipes.take_new();
        EXPECT_TRUE(taken) << taken.error().message();
        std::vector<unsigned> cpus;
        for (auto& pipe : *taken) {
            cpus.push_back(pipe.cpu);
            held.push_back(std::move(pipe));
        }
        return cpus;
    }

    static bool readable(const Pipes& pipes) {
        pollfd wanted{.fd = pipes.epoll_fd(), .events = POLLIN, .revents = 0};
        return ::poll(&wanted, 1, 0) == 1;
    }

    using Cpus = std::vector<unsigned>;

    TmpTree tree;
    std::vector<trace::Pipe> held;
};

TEST_F(PipesTest, OnlyCpusThatAreOnlineAreOpened) {
    Pipes pipes = open();
    EXPECT_EQ(take_new(pipes), (Cpus{0, 2}));
    EXPECT_EQ(take_new(pipes), Cpus{});
}

TEST_F(PipesTest, ACpuThatComesIsOpenedOnce) {
    Pipes pipes = open();
    take_new(pipes);
    tree.file("cpus/online", "0-2\n");
    EXPECT_EQ(take_new(pipes), Cpus{1});
    EXPECT_EQ(take_new(pipes), Cpus{});
}

TEST_F(PipesTest, ACpuThatGoesAndComesBackStaysOpen) {
    Pipes pipes = open();
    take_new(pipes);
    tree.file("cpus/online", "0\n");
    EXPECT_EQ(take_new(pipes), Cpus{});
    tree.file("cpus/online", "0,2\n");
    EXPECT_EQ(take_new(pipes), Cpus{});
}

TEST_F(PipesTest, TheListIsNotReadAgainOnceAllPossibleCpusAreThere) {
    tree.file("cpus/online", "0-2\n");
    Pipes pipes = open();
    EXPECT_EQ(take_new(pipes), (Cpus{0, 1, 2}));
    tree.remove("cpus/online");
    EXPECT_EQ(take_new(pipes), Cpus{});
}

TEST_F(PipesTest, OneDescriptorIsReadableWhileAnyPipeIs) {
    Pipes pipes = open();
    take_new(pipes);
    EXPECT_FALSE(readable(pipes));
    const UniqueFd writing(
        ::open(tree.path("instance/per_cpu/cpu2/trace_pipe_raw").c_str(), O_WRONLY | O_CLOEXEC));
    ASSERT_EQ(::write(writing.get(), "x", 1), 1);
    EXPECT_TRUE(readable(pipes));
    EXPECT_TRUE(readable(pipes)) << "until it is read";
    char byte = 0;
    ASSERT_EQ(::read(held.at(1).fd.get(), &byte, 1), 1);
    EXPECT_FALSE(readable(pipes));
}

TEST_F(PipesTest, ThePipesDoNotBlockAndAreNotInherited) {
    Pipes pipes = open();
    take_new(pipes);
    for (const trace::Pipe& pipe : held) {
        EXPECT_NE(::fcntl(pipe.fd.get(), F_GETFL) & O_NONBLOCK, 0);
        EXPECT_NE(::fcntl(pipe.fd.get(), F_GETFD) & FD_CLOEXEC, 0);
    }
}

TEST_F(PipesTest, LostEventsAreTheSumOfAllTheWaysToLoseThem) {
    tree.file("instance/per_cpu/cpu2/stats",
              "entries: 215\noverrun: 253\ncommit overrun: 20\nbytes: 10168\n"
              "oldest event ts:  1869.187414\nnow ts:  1870.471813\ndropped events: 3\n"
              "read events: 7\n");
    const Pipes pipes = open();
    EXPECT_EQ(pipes.lost(2), 276U);
    EXPECT_EQ(pipes.lost(1).error().code, ENOENT);
    tree.file("instance/per_cpu/cpu1/stats", "entries: 215\n");
    EXPECT_EQ(pipes.lost(1).error().code, EPROTO);
}

TEST_F(PipesTest, AnErrorNamesWhatIsMissing) {
    EXPECT_EQ(Pipes::open(tree.path("nowhere"), tree.path("cpus")).error().code, ENOENT);
    tree.remove("instance/per_cpu/cpu2");
    Pipes pipes = open();
    const auto taken = pipes.take_new();
    ASSERT_FALSE(taken);
    EXPECT_NE(taken.error().context.find("cpu2/trace_pipe_raw"), std::string::npos);
}

TEST(CpuList, RangesAndNumbersInAscendingOrder) {
    using Cpus = std::vector<unsigned>;
    EXPECT_EQ(trace::parse_cpu_list("0\n"), Cpus{0});
    EXPECT_EQ(trace::parse_cpu_list("0-3\n"), (Cpus{0, 1, 2, 3}));
    EXPECT_EQ(trace::parse_cpu_list("0,2-3,65535\n"), (Cpus{0, 2, 3, 65535}));
}

TEST(CpuList, AnythingElseIsRefused) {
    for (const char* text : {"", "\n", "x", "0-", "-3", "3-2", "0,,1", "0,0", "1,0", "0-2,2", "0 1",
                             "65536", "0-4294967295", "0,"}) {
        const auto cpus = trace::parse_cpu_list(text);
        ASSERT_FALSE(cpus) << text;
        EXPECT_EQ(cpus.error().code, EPROTO);
    }
}

} // namespace
} // namespace rseq::test
