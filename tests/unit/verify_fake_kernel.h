// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include "verify/kernel.h"

#include <array>
#include <cstdint>
#include <optional>
#include <string>

namespace rseq::verify {

/// How a kernel treats one kind of registration.
struct Manners {
    bool rewrites_on_block = true;
    bool rewrites_on_preemption = true;
    bool rewrites_on_signal = true;
    bool rewrites_on_membarrier = true;
    bool aborts_on_preemption = true;
    bool aborts_on_signal = true;
    bool aborts_on_membarrier = true;
    /// Fields whose overwriting kills, at the next time that IDs are written.
    FieldSet enforces{};
    /// Also when the thread stays on its CPU.
    bool enforces_in_place = true;
    /// Which fields are written at all when IDs are: all of them, on a kernel that is right.
    FieldSet writes{true, true, true, true};
    /// A byte of the area that is written with the IDs, 0 for none.
    std::size_t also_writes = 0;
};

enum class SliceSupport : std::uint8_t { unknown, not_built, off, on };

/// What prctl(PR_RSEQ_SLICE_EXTENSION) says where it is not as documented. Results or -errno.
struct WrongAnswers {
    std::optional<int> get;
    std::optional<int> get_with_argument;
    std::optional<int> get_with_arg4;
    std::optional<int> get_enabled;
    std::optional<int> unknown_operation;
    std::optional<int> set_unknown_flag;
    std::optional<int> enable_unregistered;
    std::optional<int> enable_v1;
    std::optional<int> enable_v2;
    std::optional<std::uint32_t> flags_enabled;
};

/// A kernel, as far as probes can tell one from another.
struct Behaviour {
    std::uint32_t feature_size = 28;
    std::uint32_t alignment = 32;
    int register_error = 0;
    /// Of registrations that are longer than 32 bytes.
    int register_long_error = 0;
    bool long_is_v2 = false;
    Manners v1;
    Manners v2;
    SliceSupport slices = SliceSupport::unknown;
    WrongAnswers wrong;
    bool proc_file = false;

    /// The machine and the process.
    unsigned cpus = 2;
    bool filtered = false;
    bool slices_off_at_boot = false;
    bool has_section = true;
    int pin_error = 0;
    int membarrier_error = 0;
    /// The ID changes at every voluntary switch of the first so many subjects.
    unsigned restless_subjects = 0;
    /// What happens to disturbances: whether they come, and come alone.
    bool disturbs = true;
    bool alone = true;
    /// How every subject ends, if not by itself.
    std::optional<Ending> ending;
};

/// Up to Linux 6.18: v1 for everybody.
[[nodiscard]] Behaviour historical_kernel();
/// Linux 6.19: optimized for everybody, nothing enforced.
[[nodiscard]] Behaviour broken_kernel();
/// Linux 7.1 and later, with slices.
[[nodiscard]] Behaviour dual_kernel();

class FakeKernel final : public Kernel {
public:
    explicit FakeKernel(Behaviour behaviour) : behaviour_(behaviour) {}

    std::string release() override { return "0.0.0-fake"; }
    std::uint32_t feature_size() override { return behaviour_.feature_size; }
    std::uint32_t alignment() override { return behaviour_.alignment; }
    bool has_proc_file() override { return behaviour_.proc_file; }
    bool filtered() override { return behaviour_.filtered; }
    bool slices_off_at_boot() override { return behaviour_.slices_off_at_boot; }
    Ending run(void* shared, std::size_t size,
               const std::function<void(Subject&, void* shared)>& body) override;

    [[nodiscard]] unsigned subjects() const { return subjects_; }

private:
    Behaviour behaviour_;
    unsigned subjects_ = 0;
};

} // namespace rseq::verify
