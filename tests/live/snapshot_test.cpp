// SPDX-License-Identifier: GPL-2.0-or-later
// What snapshots tell of processes of this machine besides their modes, and of numbers that have
// been given to another process meanwhile.
#include "live/zoo_process.h"
#include "snapshot/snapshot.h"
#include "tmp_tree.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace rseq::test {
namespace {

using snapshot::Options;
using snapshot::Process;

class SnapshotOfTheMachine : public testing::Test {
protected:
    void SetUp() override {
        if (geteuid() != 0) {
            GTEST_SKIP() << "SKIPPED: needs root";
        }
        auto zoo = start_zoo("zoo", "libc", 2);
        ASSERT_TRUE(zoo);
        zoo_.emplace(std::move(*zoo));
    }

    [[nodiscard]] pid_t pid() const { return zoo_->child.pid(); }

    /// The process of the zoo; nothing if it is not among those of the snapshot.
    std::optional<Process> take(UniqueFd proc, bool probe) {
        const Options options{.probe = probe, .exe = true, .only = std::vector<pid_t>{pid()}};
        auto taken = snapshot::take(proc::ProcReader(std::move(proc)), KernelFacts{}, options);
        EXPECT_TRUE(taken) << taken.error().message();
        return taken && !taken->processes.empty()
                   ? std::optional(std::move(taken->processes.front()))
                   : std::nullopt;
    }

    std::optional<Process> take_from_proc(bool probe = false) {
        return take(open_directory("/proc").value(), probe);
    }

    /// A tree that knows another process by the number.
    void make_another(TmpTree& tree) const {
        const std::string folder = std::to_string(pid()) + "/";
        tree.file(folder + "stat",
                  std::to_string(pid()) + " (a) S 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 1 0 0\n");
        tree.directory(folder + "task");
        tree.symlink(folder + "exe", "/another/program");
    }

    std::optional<ZooProcess> zoo_;
};

TEST_F(SnapshotOfTheMachine, TellsTheProgramWhateverTheSource) {
    const std::string program = std::filesystem::canonical(zoo_folder() + "/zoo").string();
    for (const bool probe : {false, true}) {
        const auto process = take_from_proc(probe);
        ASSERT_TRUE(process);
        EXPECT_EQ(process->exe, program) << to_string(process->source);
    }
}

TEST_F(SnapshotOfTheMachine, ByTheIteratorTellsNoProgramOfAnotherProcess) {
    TmpTree tree;
    make_another(tree);
    const auto process = take(tree.open(), false);
    ASSERT_TRUE(process);
    if (process->source != Evidence::bpf) {
        GTEST_SKIP() << "SKIPPED: no task iterator here";
    }
    EXPECT_EQ(process->exe, "");
}

TEST_F(SnapshotOfTheMachine, ByAProbeTellsNothingOfThreadsOfAnotherProcess) {
    TmpTree tree;
    make_another(tree);
    EXPECT_FALSE(take(tree.open(), true));
    ASSERT_TRUE(take_from_proc(true));
}

} // namespace
} // namespace rseq::test
