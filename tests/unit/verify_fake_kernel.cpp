// SPDX-License-Identifier: GPL-2.0-or-later
#include "unit/verify_fake_kernel.h"

#include "core/types.h"
#include "verify/note.h"
#include "verify/slices.h"

#include <cerrno>
#include <csignal>

namespace rseq::verify {

namespace {

struct Killed {};

constexpr std::uint32_t node = 0;
constexpr std::uint32_t concurrency_id = 1;

class FakeSubject final : public Subject {
public:
    FakeSubject(const Behaviour& kernel, bool restless) : kernel_(kernel), restless_(restless) {}

    volatile Area& area() override { return area_; }

    int register_area(std::uint32_t length) override {
        const bool is_long = length > original_length;
        if (kernel_.register_error != 0 || (is_long && kernel_.register_long_error != 0)) {
            return is_long && kernel_.register_error == 0 ? kernel_.register_long_error
                                                          : kernel_.register_error;
        }
        if (length_ != 0) {
            return EBUSY;
        }
        length_ = length;
        v2_ = is_long && kernel_.long_is_v2;
        area_.rseq_cs = 0;
        area_.flags = v2_ && kernel_.slices == SliceSupport::on ? slice_flag_available : 0;
        write_ids(FieldSet{true, true, true, true});
        return 0;
    }

    int unregister_area(std::uint32_t length) override {
        if (length_ == 0 || length != length_) {
            return EINVAL;
        }
        length_ = 0;
        return 0;
    }

    int pin() override { return kernel_.pin_error; }

    int migrate() override {
        cpu_ ^= 1U;
        update_ids(true);
        return 0;
    }

    unsigned cpus() override { return kernel_.cpus; }

    Exposure expose(Disturbance how, const FieldSet& fields) override {
        Exposure exposure;
        exposure.error = how == Disturbance::membarrier ? kernel_.membarrier_error : 0;
        exposure.hit = kernel_.disturbs && exposure.error == 0;
        exposure.alone = kernel_.alone;
        for (const IdField field : all_id_fields) {
            if (fields[static_cast<std::size_t>(field)]) {
                field_of(area_, field) = overwritten;
            }
        }
        if (exposure.hit && (rewrites(how) || (how == Disturbance::block && restless_))) {
            update_ids(manners().enforces_in_place);
        }
        exposure.ids = {area_.cpu_id_start, area_.cpu_id, area_.node_id, area_.mm_cid};
        return exposure;
    }

    SectionRun run_section(Disturbance how) override {
        SectionRun run;
        run.error = how == Disturbance::membarrier ? kernel_.membarrier_error : 0;
        run.error = kernel_.has_section ? run.error : ENOTSUP;
        run.hit = kernel_.disturbs && run.error == 0;
        run.alone = kernel_.alone;
        run.aborted = run.hit && aborts(how);
        return run;
    }

    int slice(unsigned long operation, unsigned long argument, unsigned long arg4) override {
        const WrongAnswers& wrong = kernel_.wrong;
        const bool known = kernel_.slices != SliceSupport::unknown;
        const bool built = known && kernel_.slices != SliceSupport::not_built;
        const int refused = known ? -enotsupp : -EINVAL;
        const int nonsense = built ? -EINVAL : refused;
        if (arg4 != 0) {
            return wrong.get_with_arg4.value_or(-EINVAL);
        }
        if (operation == slice_get && argument != 0) {
            return wrong.get_with_argument.value_or(nonsense);
        }
        if (operation == slice_get && (area_.flags & slice_flag_enabled) != 0) {
            return wrong.get_enabled.value_or(1);
        }
        if (operation == slice_get) {
            return wrong.get.value_or(built ? 0 : refused);
        }
        if (operation != slice_set) {
            return wrong.unknown_operation.value_or(nonsense);
        }
        if (argument > slice_enable) {
            return wrong.set_unknown_flag.value_or(nonsense);
        }
        return enable(kernel_.slices == SliceSupport::on, refused);
    }

    std::optional<std::uint32_t> version_in_proc() override {
        const std::uint32_t version = v2_ ? 2 : 1;
        return kernel_.proc_file ? std::optional(length_ == 0 ? 0 : version) : std::nullopt;
    }

    bool out_of_time() override { return ++looks_at_the_clock_ > 1000; }

private:
    const Manners& manners() const { return v2_ ? kernel_.v2 : kernel_.v1; }

    bool rewrites(Disturbance how) const {
        switch (how) {
        case Disturbance::block:
            return manners().rewrites_on_block;
        case Disturbance::preemption:
            return manners().rewrites_on_preemption;
        case Disturbance::signal:
            return manners().rewrites_on_signal;
        case Disturbance::membarrier:
            break;
        }
        return manners().rewrites_on_membarrier;
    }

    bool aborts(Disturbance how) const {
        switch (how) {
        case Disturbance::preemption:
            return manners().aborts_on_preemption;
        case Disturbance::signal:
            return manners().aborts_on_signal;
        case Disturbance::block:
        case Disturbance::membarrier:
            break;
        }
        return manners().aborts_on_membarrier;
    }

    void write_ids(const FieldSet& fields) {
        const std::array ids{cpu_, cpu_, node, concurrency_id};
        for (const IdField field : all_id_fields) {
            const auto index = static_cast<std::size_t>(field);
            if (fields[index]) {
                field_of(area_, field) = ids[index];
            }
        }
        if (const std::size_t offset = manners().also_writes; offset != 0) {
            area_.rest[offset - offsetof(Area, rest)] = 0;
        }
    }

    void update_ids(bool check) {
        for (const IdField field : all_id_fields) {
            if (check && manners().enforces[static_cast<std::size_t>(field)] &&
                field_of(area_, field) == overwritten) {
                throw Killed{};
            }
        }
        write_ids(manners().writes);
    }

    int enable(bool on, int refused) {
        const WrongAnswers& wrong = kernel_.wrong;
        if (length_ == 0) {
            return wrong.enable_unregistered.value_or(on ? -ENXIO : refused);
        }
        if (!v2_) {
            return wrong.enable_v1.value_or(refused);
        }
        if (!on || wrong.enable_v2) {
            return wrong.enable_v2.value_or(refused);
        }
        area_.flags = wrong.flags_enabled.value_or(slice_flag_available | slice_flag_enabled);
        return 0;
    }

    const Behaviour& kernel_;
    bool restless_;
    Area area_{};
    std::uint32_t length_ = 0;
    std::uint32_t cpu_ = 1;
    bool v2_ = false;
    unsigned looks_at_the_clock_ = 0;
};

} // namespace

Behaviour historical_kernel() {
    return {};
}

Behaviour broken_kernel() {
    Behaviour kernel;
    kernel.v1.rewrites_on_block = false;
    kernel.v1.rewrites_on_preemption = false;
    kernel.v1.rewrites_on_signal = false;
    kernel.v1.rewrites_on_membarrier = false;
    kernel.v2 = kernel.v1;
    return kernel;
}

Behaviour dual_kernel() {
    Behaviour kernel;
    kernel.feature_size = 33;
    kernel.alignment = 64;
    kernel.long_is_v2 = true;
    kernel.v2 = broken_kernel().v1;
    kernel.v2.enforces = {true, true, true, true};
    kernel.slices = SliceSupport::on;
    return kernel;
}

Ending FakeKernel::run(void* shared, std::size_t /*size*/,
                       const std::function<void(Subject&, void* shared)>& body) {
    FakeSubject subject(behaviour_, subjects_++ < behaviour_.restless_subjects);
    if (behaviour_.ending) {
        return *behaviour_.ending;
    }
    try {
        body(subject, shared);
    } catch (const Killed&) {
        return {Ending::Kind::killed, SIGSEGV};
    }
    return {};
}

} // namespace rseq::verify
