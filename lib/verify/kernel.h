// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include "verify/area.h"

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>

namespace rseq::verify {

/// What may happen to a thread while it minds its own business.
enum class Disturbance : std::uint8_t {
    block,      ///< it gives the CPU away in a system call
    preemption, ///< it is interrupted in user space and another thread runs on its CPU
    signal,     ///< a signal handler runs
    membarrier, ///< another thread calls membarrier(PRIVATE_EXPEDITED_RSEQ)
};

/// Which ID fields to overwrite, by IdField.
using FieldSet = std::array<bool, all_id_fields.size()>;

/// What an overwritten field holds: no CPU, node or concurrency ID, and with the top bit set like
/// the mark that TCMalloc puts into cpu_id_start.
inline constexpr std::uint32_t overwritten = 0x80000000U | 0x00005eedU;

/// What came of one disturbance.
struct Exposure {
    /// It is certain that the disturbance came while the subject was exposed to it.
    bool hit = false;
    /// And that no context switch came in between, which might have had the same effect.
    bool alone = false;
    /// Why it could not be arranged at all: an errno, 0 if it could.
    int error = 0;
    /// The ID fields, by IdField, as the subject found them at its first look afterwards (for a
    /// signal: as the handler found them).
    std::array<std::uint32_t, all_id_fields.size()> ids{};
};

/// What came of one critical section that lasted until it was disturbed.
struct SectionRun {
    bool hit = false;
    bool alone = false;
    int error = 0;
    /// The kernel sent the thread to the abort handler instead of letting it finish.
    bool aborted = false;
};

/// The thread that a probe runs in. It starts unregistered, whatever libc did in the caller, alone
/// in its own process. The code of a probe must not allocate memory: the thread shares the
/// allocator's thread-local state with the helper thread that disturbs it.
class Subject {
public:
    virtual ~Subject() = default;

    /// The memory to register, aligned to a page. Zeros at first.
    virtual volatile Area& area() = 0;

    /// rseq(2) on area(). 0 or an errno.
    virtual int register_area(std::uint32_t length) = 0;
    virtual int unregister_area(std::uint32_t length) = 0;

    /// Stays on the CPU that it is on. 0 or an errno.
    virtual int pin() = 0;
    /// Moves to another CPU. 0, ENODEV if there is no other, or an errno.
    virtual int migrate() = 0;
    /// How many CPUs the subject may use.
    virtual unsigned cpus() = 0;

    /// Overwrites `fields` with `overwritten`, lets itself be disturbed and looks again. Once the
    /// disturbance has come the subject continues by itself.
    virtual Exposure expose(Disturbance how, const FieldSet& fields) = 0;

    /// Enters a critical section and stays in it until it is disturbed; not for Disturbance::block.
    /// ENOTSUP in `error` where there is no critical section for this architecture.
    virtual SectionRun run_section(Disturbance how) = 0;

    /// prctl(PR_RSEQ_SLICE_EXTENSION, operation, argument, arg4, 0): the result, or -errno.
    virtual int slice(unsigned long operation, unsigned long argument, unsigned long arg4) = 0;

    /// The `Version` that /proc/thread-self/rseq shows; nothing if there is no such file.
    virtual std::optional<std::uint32_t> version_in_proc() = 0;

    /// Whether the time that a probe may take is over.
    virtual bool out_of_time() = 0;
};

/// How the process of a subject ended.
struct Ending {
    enum class Kind : std::uint8_t { finished, killed, timed_out, not_started };
    Kind kind = Kind::finished;
    /// The signal that killed it, or the errno that kept it from starting.
    int number = 0;
    [[nodiscard]] bool finished() const { return kind == Kind::finished; }
};

/// The running kernel, as far as the probes touch it: the seam that tests put a fake under.
class Kernel {
public:
    virtual ~Kernel() = default;

    /// uname(2) release.
    virtual std::string release() = 0;
    /// AT_RSEQ_FEATURE_SIZE and AT_RSEQ_ALIGN of this process; 0 if absent.
    virtual std::uint32_t feature_size() = 0;
    virtual std::uint32_t alignment() = 0;
    /// Whether /proc/self/rseq exists.
    virtual bool has_proc_file() = 0;
    /// Whether a seccomp filter stands between this process and the kernel.
    virtual bool filtered() = 0;
    /// Whether `rseq_slice_ext` is off on the kernel command line.
    virtual bool slices_off_at_boot() = 0;

    /// Runs `body` in a new subject and waits for its end, for a bounded time. `shared` points to
    /// `size` bytes of plain data that the body may change; what it wrote is there afterwards even
    /// if it was killed.
    virtual Ending run(void* shared, std::size_t size,
                       const std::function<void(Subject&, void* shared)>& body) = 0;
};

/// The kernel that this process runs on. Its subjects are threads of forked children, each ended
/// after `patience`; by itself a subject gives up after three seconds.
[[nodiscard]] std::unique_ptr<Kernel>
running_kernel(std::chrono::milliseconds patience = std::chrono::seconds(4));

/// Kernel::run() with a typed result.
template <class Result>
Ending run(Kernel& kernel, Result& result, const std::function<void(Subject&, Result&)>& body) {
    static_assert(std::is_trivially_copyable_v<Result>, "it crosses a process boundary");
    return kernel.run(&result, sizeof(result), [&body](Subject& subject, void* shared) {
        body(subject, *static_cast<Result*>(shared));
    });
}

} // namespace rseq::verify
