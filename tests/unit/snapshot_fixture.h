// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include "snapshot/snapshot.h"
#include "tmp_tree.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace rseq::snapshot {

/// What the file of a process says, by the number of its threads.
struct Group {
    unsigned none = 0;
    unsigned v1 = 0;
    unsigned v2 = 0;
    unsigned slice_enabled = 0;
    std::string policy = "auto allow";

    [[nodiscard]] std::string text() const {
        return fmt::format("Threads:\t{}\nUnregistered:\t{}\nV1:\t{}\nV2:\t{}\n"
                           "Slice_enabled:\t{}\nSlice_granted:\t0\nSlice_yielded:\t0\n"
                           "Slice_syscall:\t0\nSlice_expired:\t0\nSlice_revoked:\t0\n"
                           "Policy:\t{}\n",
                           none + v1 + v2, none, v1, v2, slice_enabled, policy);
    }
};

inline std::string thread_text(int version, unsigned length, std::string_view slice) {
    return fmt::format("Version:\t{}\nLength:\t{}\nSlice:\t{}\nPolicy:\tauto allow\n", version,
                       length, slice);
}

inline constexpr unsigned kernel_thread_flag = 0x00200000;
inline constexpr unsigned exiting_flag = 0x00000004;

inline std::string stat_text(pid_t pid, std::string_view comm, char state, unsigned flags,
                             unsigned threads) {
    return fmt::format("{} ({}) {} 1 1 1 0 -1 {} 0 0 0 0 0 0 0 0 20 0 {} 0 900 0 0\n", pid, comm,
                       state, flags, threads);
}

/// A tree that looks like the /proc of a kernel with our files.
class ProcfsSnapshot : public testing::Test {
protected:
    ProcfsSnapshot() { facts.kernel_class = KernelClass::dual; }

    void SetUp() override {
        // What reads: without a file of its own there is no such kernel.
        add(5, "rseqctl", Group{.v2 = 1});
        tree.symlink("self", "5");
    }

    void add(pid_t pid, const std::string& comm, const Group& group, char state = 'S') {
        const std::string folder = std::to_string(pid) + "/";
        tree.file(folder + "stat",
                  stat_text(pid, comm, state, 0, group.none + group.v1 + group.v2));
        tree.file(folder + "cgroup", "0::/system.slice/" + comm + ".service\n");
        tree.file(folder + "rseq", group.text());
    }

    void add_thread(pid_t pid, pid_t tid, const std::string& rseq, const std::string& comm,
                    unsigned flags = 0) {
        const std::string folder = fmt::format("{}/task/{}/", pid, tid);
        tree.file(folder + "rseq", rseq);
        tree.file(folder + "stat", stat_text(tid, comm, 'S', flags, 2));
    }

    Snapshot take(const Options& options = {}) {
        auto snapshot = snapshot::take(proc::ProcReader(tree.open()), facts, options);
        EXPECT_TRUE(snapshot) << snapshot.error().message();
        return snapshot ? std::move(*snapshot) : Snapshot{};
    }

    /// Process `pid` of a snapshot of it alone; one without a number if it is not there.
    Process take_one(pid_t pid, bool threads = false) {
        Snapshot snapshot = take({.threads = threads, .only = std::vector<pid_t>{pid}});
        reason = snapshot.unknown_reason;
        EXPECT_LE(snapshot.processes.size(), 1U);
        return snapshot.processes.empty() ? Process{} : std::move(snapshot.processes.front());
    }

    test::TmpTree tree;
    KernelFacts facts;
    std::string reason;
};

} // namespace rseq::snapshot
