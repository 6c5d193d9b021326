// SPDX-License-Identifier: GPL-2.0-or-later
// The probes and their machinery on the kernel that runs the tests.
#include "verify/classify.h"
#include "verify/section.h"
#include "verify/verify.h"

#include <gtest/gtest.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <functional>
#include <string>

// Of glibc 2.35 and later; nothing elsewhere.
extern "C" {
extern const std::ptrdiff_t __rseq_offset __attribute__((weak));
extern const unsigned int __rseq_size __attribute__((weak));
}

namespace rseq::verify {
namespace {

constexpr FieldSet all_fields{true, true, true, true};
constexpr std::array disturbances{Disturbance::block, Disturbance::preemption, Disturbance::signal,
                                  Disturbance::membarrier};

/// Whether the running kernel is of a class whose v1 guarantees all hold.
bool promises_v1(const KernelFacts& facts) {
    return facts.kernel_class == KernelClass::historical || facts.kernel_class == KernelClass::dual;
}

/// Fails the current test for each v1 guarantee that was not held.
void expect_v1_held() {
    const auto kernel = running_kernel();
    const KernelFacts facts = classify(*kernel);
    if (!promises_v1(facts)) {
        GTEST_SKIP() << "SKIPPED: this kernel is " << to_string(facts.kernel_class) << ": "
                     << facts.class_reason;
    }
    for (const Finding& finding : verify(*kernel)) {
        if (finding.v1) {
            EXPECT_EQ(finding.verdict, Verdict::held) << finding.key << ": " << finding.reason;
        }
    }
}

constexpr int exit_skipped = 77;

/// Runs the checks in a process of its own, which `prepare` may do anything to.
void in_another_process(const std::function<void()>& prepare, const std::function<void()>& checks) {
    const pid_t pid = ::fork();
    ASSERT_GE(pid, 0);
    if (pid == 0) {
        prepare();
        checks();
        const int skipped = testing::Test::IsSkipped() ? exit_skipped : 0;
        ::_exit(testing::Test::HasFailure() ? 1 : skipped);
    }
    int status = 0;
    ASSERT_EQ(::waitpid(pid, &status, 0), pid);
    if (WIFEXITED(status) && WEXITSTATUS(status) == exit_skipped) {
        GTEST_SKIP() << "SKIPPED: see above";
    }
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << "status " << status;
}

TEST(VerifyLive, every_v1_guarantee_is_held_on_a_kernel_that_promises_it) {
    expect_v1_held();
}

TEST(VerifyLive, takes_less_than_two_seconds) {
    const auto kernel = running_kernel();
    const auto start = std::chrono::steady_clock::now();
    (void)classify(*kernel);
    (void)verify(*kernel);
    const auto taken = std::chrono::steady_clock::now() - start;
    EXPECT_LT(taken, std::chrono::seconds(2));
}

TEST(VerifyLive, the_probes_agree_with_the_class) {
    const auto kernel = running_kernel();
    const KernelFacts facts = classify(*kernel);
    const Safety safety = judge(verify(*kernel));
    EXPECT_EQ(safety == Safety::safe, promises_v1(facts)) << facts.class_reason;
    EXPECT_EQ(safety == Safety::unsafe, facts.kernel_class == KernelClass::broken);
}

TEST(VerifyLive, the_result_is_the_same_without_privilege) {
    in_another_process(
        [] {
            constexpr uid_t nobody = 65534;
            ASSERT_EQ(::setresgid(nobody, nobody, nobody), 0);
            ASSERT_EQ(::setresuid(nobody, nobody, nobody), 0);
        },
        expect_v1_held);
}

TEST(VerifyLive, the_result_is_the_same_on_a_single_cpu_that_somebody_chose) {
    in_another_process(
        [] {
            cpu_set_t one;
            CPU_ZERO(&one);
            CPU_SET(static_cast<std::size_t>(::sched_getcpu()), &one);
            ASSERT_EQ(::sched_setaffinity(0, sizeof(one), &one), 0);
        },
        expect_v1_held);
}

TEST(VerifyLive, the_result_is_the_same_where_children_are_not_waited_for) {
    in_another_process([] { ::signal(SIGCHLD, SIG_IGN); }, expect_v1_held);
}

TEST(VerifyLive, the_result_is_the_same_with_a_registration_that_libc_did_not_make) {
    if (&__rseq_size == nullptr || __rseq_size == 0) {
        GTEST_SKIP() << "SKIPPED: libc has not registered";
    }
    in_another_process(
        [] {
            // As glibc documents: relative to the thread pointer, and never less than 32 bytes.
            auto* mine = static_cast<std::byte*>(__builtin_thread_pointer()) + __rseq_offset;
            const unsigned length = __rseq_size < 32 ? 32 : __rseq_size;
            ASSERT_EQ(::syscall(SYS_rseq, mine, length, 1, section_signature()), 0);
            alignas(64) static std::array<std::byte, 64> foreign{};
            constexpr unsigned foreign_signature = 0x12345678;
            ASSERT_EQ(::syscall(SYS_rseq, foreign.data(), 32, 0, foreign_signature), 0);
        },
        expect_v1_held);
}

TEST(VerifyLive, nothing_can_be_said_behind_a_filter_that_hides_the_system_call) {
    in_another_process(
        [] {
            std::array code{
                sock_filter(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr))),
                sock_filter(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_rseq, 0, 1)),
                sock_filter(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS)),
                sock_filter(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW))};
            const sock_fprog program{static_cast<unsigned short>(code.size()), code.data()};
            ASSERT_EQ(::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
            ASSERT_EQ(::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program), 0);
        },
        [] {
            const auto kernel = running_kernel();
            const KernelFacts facts = classify(*kernel);
            EXPECT_EQ(facts.kernel_class, KernelClass::unknown);
            EXPECT_EQ(facts.class_reason, "rseq(2) does not exist, or a seccomp filter hides it");
            EXPECT_EQ(judge(verify(*kernel)), Safety::unknown);
        });
}

/// What a thread that is not registered sees, which no kernel has made a promise to: the machinery
/// must be able to see a guarantee lost.
struct Unregistered {
    std::array<Exposure, disturbances.size()> exposures;
    std::array<SectionRun, disturbances.size()> sections;
};

TEST(VerifyLive, an_unregistered_thread_is_disturbed_and_keeps_what_it_wrote) {
    const auto kernel = running_kernel();
    Unregistered seen;
    const Ending ending = run<Unregistered>(*kernel, seen, [](Subject& subject, Unregistered& out) {
        (void)subject.pin();
        for (const Disturbance how : disturbances) {
            const auto index = static_cast<std::size_t>(how);
            do {
                out.exposures[index] = subject.expose(how, all_fields);
            } while (!out.exposures[index].hit && !subject.out_of_time());
            while (how != Disturbance::block && !out.sections[index].hit &&
                   !subject.out_of_time()) {
                out.sections[index] = subject.run_section(how);
            }
        }
    });
    ASSERT_TRUE(ending.finished());
    for (const Disturbance how : disturbances) {
        const Exposure& exposure = seen.exposures[static_cast<std::size_t>(how)];
        EXPECT_EQ(exposure.error, 0);
        EXPECT_TRUE(exposure.hit);
        for (const std::uint32_t id : exposure.ids) {
            EXPECT_EQ(id, overwritten);
        }
        const SectionRun& section = seen.sections[static_cast<std::size_t>(how)];
        if (how != Disturbance::block && have_section()) {
            EXPECT_EQ(section.error, 0);
            EXPECT_TRUE(section.hit);
            EXPECT_FALSE(section.aborted);
        }
    }
}

TEST(VerifyLive, a_subject_is_moved_to_another_cpu) {
    const auto kernel = running_kernel();
    struct Moved {
        unsigned cpus;
        int error;
        unsigned before;
        unsigned after;
    } moved{};
    const Ending ending = run<Moved>(*kernel, moved, [](Subject& subject, Moved& out) {
        out.cpus = subject.cpus();
        (void)subject.pin();
        ::syscall(SYS_getcpu, &out.before, nullptr, nullptr);
        out.error = subject.migrate();
        ::syscall(SYS_getcpu, &out.after, nullptr, nullptr);
    });
    ASSERT_TRUE(ending.finished());
    if (moved.cpus < 2) {
        GTEST_SKIP() << "SKIPPED: one CPU";
    }
    EXPECT_EQ(moved.error, 0);
    EXPECT_NE(moved.before, moved.after);
}

TEST(VerifyLive, a_subject_dumps_no_core_neither_into_a_file_nor_into_a_pipe) {
    const auto kernel = running_kernel();
    struct Limits {
        rlimit core;
        int dumpable;
    } limits{{1, 1}, 1};
    const Ending ending = run<Limits>(*kernel, limits, [](Subject& /*subject*/, Limits& out) {
        (void)::getrlimit(RLIMIT_CORE, &out.core);
        out.dumpable = ::prctl(PR_GET_DUMPABLE);
    });
    ASSERT_TRUE(ending.finished());
    EXPECT_EQ(limits.core.rlim_cur, 0U);
    EXPECT_EQ(limits.dumpable, 0);
}

TEST(VerifyLive, a_subject_that_is_killed_leaves_what_it_wrote) {
    ::signal(SIGSEGV, [](int) { ::_exit(0); }); // of no concern to the subject
    const auto kernel = running_kernel();
    struct Words {
        int before;
        int after;
    } words{};
    const Ending ending = run<Words>(*kernel, words, [](Subject& /*subject*/, Words& out) {
        out.before = 1;
        ::syscall(SYS_tgkill, ::getpid(), ::syscall(SYS_gettid), SIGKILL);
        out.after = 1;
    });
    EXPECT_EQ(ending.kind, Ending::Kind::killed);
    EXPECT_EQ(ending.number, SIGKILL);
    EXPECT_EQ(words.before, 1);
    EXPECT_EQ(words.after, 0);

    const Ending fault = run<Words>(*kernel, words, [](Subject& /*subject*/, Words& /*out*/) {
        void* page = ::mmap(nullptr, 1, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        *static_cast<volatile char*>(page) = 1;
    });
    ::signal(SIGSEGV, SIG_DFL);
    EXPECT_EQ(fault.kind, Ending::Kind::killed);
    EXPECT_EQ(fault.number, SIGSEGV);
}

TEST(VerifyLive, a_subject_that_hangs_is_ended) {
    const auto kernel = running_kernel(std::chrono::milliseconds(50));
    int nothing = 0;
    const Ending ending = run<int>(*kernel, nothing, [](Subject& /*subject*/, int& /*out*/) {
        for (volatile bool forever = true; forever;) {
        }
    });
    EXPECT_EQ(ending.kind, Ending::Kind::timed_out);
}

TEST(VerifyLive, a_subject_starts_unregistered) {
    const auto kernel = running_kernel();
    std::array<int, 3> errors{};
    const Ending ending =
        run<decltype(errors)>(*kernel, errors, [](Subject& subject, decltype(errors)& out) {
            out[0] = subject.unregister_area(32);
            out[1] = subject.register_area(32);
            out[2] = subject.unregister_area(32);
        });
    ASSERT_TRUE(ending.finished());
    EXPECT_EQ(errors, (std::array<int, 3>{EINVAL, 0, 0}));
}

} // namespace
} // namespace rseq::verify
