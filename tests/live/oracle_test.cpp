// SPDX-License-Identifier: GPL-2.0-or-later
// Three ways to find out what a thread registered, on threads of many kinds: the BPF iterator and
// the prober, and as the judge of both an oracle that shares no code with either.
#include "bpf/snapshot.h"
#include "live/oracle.h"
#include "live/zoo_process.h"
#include "ptrace/prober.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <map>
#include <string>
#include <vector>

namespace rseq::test {
namespace {

class Oracle : public testing::Test {
protected:
    static constexpr int threads_of_each = 24;

    static void SetUpTestSuite() {
        if (geteuid() != 0) {
            return;
        }
        for (const char* program : {"zoo", "zoo_static"}) {
            for (const char* kind :
                 {"libc", "none", "original", "long", "offered", "mixed", "unregistered"}) {
                if (auto zoo = start_zoo(program, kind, threads_of_each)) {
                    zoos().push_back(std::move(*zoo));
                } else {
                    std::printf("not offered here: %s %s\n", program, kind);
                }
            }
        }
        for (const ZooProcess& zoo : zoos()) {
            for (const auto& [tid, length] : zoo.threads) {
                OracleAnswer answer{};
                const int error = ask_oracle(tid, &answer);
                if (error == 0) {
                    answers()[tid] = answer.address != 0 ? answer.length : 0;
                }
            }
        }
    }

    static void TearDownTestSuite() { zoos().clear(); }

    void SetUp() override {
        if (geteuid() != 0) {
            GTEST_SKIP() << "SKIPPED: needs root";
        }
        ASSERT_GE(answers().size(), 200U) << "too few threads for a judgement";
    }

    static std::vector<ZooProcess>& zoos() {
        static std::vector<ZooProcess> all;
        return all;
    }

    /// What the oracle said of each thread: the length, 0 for none.
    static std::map<pid_t, unsigned>& answers() {
        static std::map<pid_t, unsigned> all;
        return all;
    }
};

TEST_F(Oracle, AnswersForEveryThreadAndKnowsWhatTheyDidThemselves) {
    std::size_t threads = 0;
    for (const ZooProcess& zoo : zoos()) {
        threads += zoo.threads.size();
        for (const auto& [tid, length] : zoo.threads) {
            ASSERT_TRUE(answers().contains(tid)) << zoo.kind;
            if (length) {
                EXPECT_EQ(answers().at(tid), *length) << zoo.kind << " " << tid;
            } else {
                EXPECT_GE(answers().at(tid), original_length) << zoo.kind << " " << tid;
            }
        }
    }
    EXPECT_EQ(threads, answers().size());
    std::printf("%zu threads of %zu processes\n", threads, zoos().size());
}

TEST_F(Oracle, TheBpfIteratorAgreesForEveryThread) {
    const auto threads = bpf::snapshot();
    if (!threads && threads.error().code == ENOTSUP) {
        GTEST_SKIP() << "SKIPPED: " << threads.error().message();
    }
    ASSERT_TRUE(threads) << threads.error().message();
    std::size_t compared = 0;
    for (const ThreadObservation& thread : *threads) {
        const auto answer = answers().find(thread.tid);
        if (answer == answers().end()) {
            continue;
        }
        ++compared;
        ASSERT_TRUE(thread.registration) << thread.tid;
        EXPECT_EQ(thread.registration->registered, answer->second != 0) << thread.tid;
        EXPECT_EQ(thread.registration->length, answer->second) << thread.tid;
    }
    EXPECT_EQ(compared, answers().size());
}

TEST_F(Oracle, TheProberAgreesForEveryThread) {
    std::size_t compared = 0;
    for (const ZooProcess& zoo : zoos()) {
        const auto threads = ptrace::probe_process(zoo.child.pid(), std::chrono::seconds(10));
        ASSERT_TRUE(threads) << threads.error().message();
        for (const auto& [tid, registration] : *threads) {
            ASSERT_TRUE(registration) << registration.error().message();
            ASSERT_TRUE(answers().contains(tid));
            EXPECT_EQ(registration->registered, answers()[tid] != 0) << tid;
            EXPECT_EQ(registration->length, answers()[tid]) << tid;
            ++compared;
        }
    }
    EXPECT_EQ(compared, answers().size());
}

// On a kernel with two modes the version that it keeps follows the length alone.
TEST_F(Oracle, ThreadsBeyondTheOriginalSizeAreV2WhereTheKernelKeepsAVersion) {
    const auto threads = bpf::snapshot();
    ASSERT_TRUE(threads) << threads.error().message();
    bool any = false;
    for (const ThreadObservation& thread : *threads) {
        if (answers().contains(thread.tid) && thread.registration && thread.registration->version) {
            any = true;
            const unsigned length = answers()[thread.tid];
            const int expected = length == 0 ? 0 : length > original_length ? 2 : 1;
            EXPECT_EQ(*thread.registration->version, expected) << thread.tid;
        }
    }
    if (!any) {
        GTEST_SKIP() << "SKIPPED: this kernel keeps no version";
    }
}

} // namespace
} // namespace rseq::test
