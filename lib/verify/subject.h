// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include "verify/kernel.h"
#include "verify/section.h"

#include <sched.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <ctime>

namespace rseq::verify {

/// What the helper thread may be asked to do.
enum class Duty : std::uint32_t { none, compete, membarrier, quit };

/// What the subject and the helper of one child process share. Both are threads of that process;
/// the subject posts a duty, waits until the helper is ready, and exposes itself.
struct Stage {
    SectionWords words{};
    std::atomic<Duty> duty{Duty::none};
    std::atomic<std::uint32_t> ready{0};
    /// Set by the subject when it no longer wants to be disturbed.
    std::atomic<std::uint32_t> abandoned{0};
    std::atomic<std::uint32_t> hit{0};
    std::atomic<int> error{0};
    /// The errno of the registration for membarrier; 0 if it is there.
    int membarrier_error = 0;
    /// CPUs that both may use, and the one that the subject stays on.
    cpu_set_t allowed{};
    std::atomic<int> subject_cpu{-1};
    timespec deadline{};
};

/// Prepares `stage` for this process. Before the subject is started, because a process of one
/// thread registers for membarrier without waiting for an RCU grace period.
void set_up(Stage& stage);

/// The helper's work; returns when the subject is done.
void serve(Stage& stage);

/// The subject's end: lets serve() return.
void dismiss(Stage& stage);

/// The real subject: the thread that calls its functions.
class ThreadSubject final : public Subject {
public:
    /// `area` is zeroed memory, aligned to a page, and outlives the subject.
    ThreadSubject(Stage& stage, volatile Area& area);

    volatile Area& area() override { return area_; }
    int register_area(std::uint32_t length) override;
    int unregister_area(std::uint32_t length) override;
    int pin() override;
    int migrate() override;
    unsigned cpus() override;
    Exposure expose(Disturbance how, const FieldSet& fields) override;
    SectionRun run_section(Disturbance how) override;
    int slice(unsigned long operation, unsigned long argument, unsigned long arg4) override;
    std::optional<std::uint32_t> version_in_proc() override;
    bool out_of_time() override;

private:
    int arrange(Duty duty);
    void conclude();
    int expose_by_signal(const FieldSet& fields, Exposure& exposure);
    void overwrite(const FieldSet& fields);

    Stage& stage_;
    volatile Area& area_;
    unsigned arranged_ = 0;
    unsigned sections_ = 0;
    long nap_ns_ = 20'000;
};

} // namespace rseq::verify
