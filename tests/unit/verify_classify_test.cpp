// SPDX-License-Identifier: GPL-2.0-or-later
#include "unit/verify_fake_kernel.h"
#include "verify/classify.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <csignal>

namespace rseq::verify {
namespace {

KernelFacts classify_on(const Behaviour& behaviour) {
    FakeKernel kernel(behaviour);
    return classify(kernel);
}

TEST(Classify, ids_that_are_always_rewritten_make_a_kernel_historical) {
    const KernelFacts facts = classify_on(historical_kernel());
    EXPECT_EQ(facts.kernel_class, KernelClass::historical);
    EXPECT_EQ(facts.release, "0.0.0-fake");
    EXPECT_EQ(facts.feature_size, 28U);
    EXPECT_EQ(facts.alignment, 32U);
    EXPECT_EQ(facts.abi, 0U);
}

TEST(Classify, a_kernel_that_refuses_longer_registrations_is_historical) {
    Behaviour kernel = historical_kernel();
    kernel.feature_size = 0;
    kernel.alignment = 0;
    kernel.register_long_error = EINVAL;
    EXPECT_EQ(classify_on(kernel).kernel_class, KernelClass::historical);
}

TEST(Classify, v1_ids_that_are_not_rewritten_make_a_kernel_broken) {
    EXPECT_EQ(classify_on(broken_kernel()).kernel_class, KernelClass::broken);
    Behaviour switches = dual_kernel();
    switches.v1.rewrites_on_block = false;
    EXPECT_EQ(classify_on(switches).kernel_class, KernelClass::broken);
    Behaviour signals = dual_kernel();
    signals.v1.rewrites_on_signal = false;
    EXPECT_EQ(classify_on(signals).kernel_class, KernelClass::broken);
}

TEST(Classify, v2_ids_that_are_left_alone_make_a_kernel_dual) {
    const KernelFacts facts = classify_on(dual_kernel());
    EXPECT_EQ(facts.kernel_class, KernelClass::dual);
    EXPECT_EQ(facts.class_reason, "v1 IDs are rewritten, those of v2 only when they change");
    EXPECT_EQ(facts.slices, Availability::yes);
    EXPECT_EQ(facts.slices_reason, "");
}

TEST(Classify, a_kill_for_overwriting_v2_makes_a_kernel_dual) {
    Behaviour kernel = dual_kernel();
    kernel.restless_subjects = 1;
    const KernelFacts facts = classify_on(kernel);
    EXPECT_EQ(facts.kernel_class, KernelClass::dual);
    EXPECT_EQ(facts.class_reason, "v1 IDs are rewritten, and overwriting kills v2");
}

TEST(Classify, a_dual_kernel_is_found_where_policy_hides_v2_from_the_auxiliary_vector) {
    Behaviour kernel = dual_kernel();
    kernel.feature_size = 28;
    kernel.alignment = 32;
    EXPECT_EQ(classify_on(kernel).kernel_class, KernelClass::dual);
    EXPECT_EQ(classify_on(kernel).slices, Availability::no);
}

TEST(Classify, where_debugging_kills_v1_only_proc_can_tell) {
    Behaviour kernel = dual_kernel();
    kernel.v1.enforces = {true, true, true, true};
    EXPECT_EQ(classify_on(kernel).kernel_class, KernelClass::unknown);
    kernel.proc_file = true;
    EXPECT_EQ(classify_on(kernel).kernel_class, KernelClass::dual);
    EXPECT_EQ(classify_on(kernel).abi, 1U);
}

TEST(Classify, behaviour_outweighs_the_word_of_proc) {
    Behaviour kernel = broken_kernel();
    kernel.proc_file = true;
    kernel.long_is_v2 = true;
    EXPECT_EQ(classify_on(kernel).kernel_class, KernelClass::broken);
}

TEST(Classify, a_kernel_without_the_system_call_is_unsupported) {
    Behaviour kernel = historical_kernel();
    kernel.feature_size = 0;
    kernel.alignment = 0;
    kernel.register_error = ENOSYS;
    EXPECT_EQ(classify_on(kernel).kernel_class, KernelClass::unsupported);
}

TEST(Classify, a_missing_system_call_that_may_be_hidden_leaves_the_class_unknown) {
    Behaviour missing = historical_kernel();
    missing.feature_size = 0;
    missing.register_error = ENOSYS;

    Behaviour filtered = missing;
    filtered.filtered = true;
    EXPECT_EQ(classify_on(filtered).kernel_class, KernelClass::unknown);
    Behaviour advertised = missing;
    advertised.feature_size = 28;
    EXPECT_EQ(classify_on(advertised).kernel_class, KernelClass::unknown);
    Behaviour switched_off = missing;
    switched_off.proc_file = true;
    EXPECT_EQ(classify_on(switched_off).kernel_class, KernelClass::unknown);
    Behaviour denied = missing;
    denied.register_error = EPERM;
    EXPECT_EQ(classify_on(denied).class_reason, "rseq(2) fails: Operation not permitted");
}

TEST(Classify, without_a_proof_the_class_is_unknown) {
    Behaviour never_switched = dual_kernel();
    never_switched.disturbs = false;
    EXPECT_EQ(classify_on(never_switched).kernel_class, KernelClass::unknown);
    Behaviour not_pinned = dual_kernel();
    not_pinned.pin_error = EPERM;
    EXPECT_EQ(classify_on(not_pinned).kernel_class, KernelClass::unknown);
    Behaviour hung = dual_kernel();
    hung.ending = Ending{Ending::Kind::timed_out, 0};
    EXPECT_EQ(classify_on(hung).kernel_class, KernelClass::unknown);
    EXPECT_EQ(classify_on(hung).slices, Availability::unknown);
    Behaviour killed = dual_kernel();
    killed.ending = Ending{Ending::Kind::killed, SIGSYS};
    EXPECT_EQ(classify_on(killed).kernel_class, KernelClass::unknown);
}

struct SliceCase {
    const char* name;
    SliceSupport support;
    bool off_at_boot;
    Availability availability;
    const char* reason;
};

class SliceFacts : public testing::TestWithParam<SliceCase> {};

TEST_P(SliceFacts, say_why_there_are_none) {
    Behaviour kernel = dual_kernel();
    kernel.slices = GetParam().support;
    kernel.slices_off_at_boot = GetParam().off_at_boot;
    const KernelFacts facts = classify_on(kernel);
    EXPECT_EQ(facts.slices, GetParam().availability);
    EXPECT_EQ(facts.slices_reason, GetParam().reason);
}

INSTANTIATE_TEST_SUITE_P(
    Classify, SliceFacts,
    testing::Values(SliceCase{"unknown_to_the_kernel", SliceSupport::unknown, false,
                              Availability::no, "this kernel does not know them"},
                    SliceCase{"not_built", SliceSupport::not_built, false, Availability::no,
                              "not built into this kernel (CONFIG_RSEQ_SLICE_EXTENSION)"},
                    SliceCase{"off_on_the_command_line", SliceSupport::off, true, Availability::no,
                              "switched off on the kernel command line (rseq_slice_ext)"},
                    SliceCase{"off_for_another_reason", SliceSupport::off, false, Availability::no,
                              "switched off at boot, or denied to this process by policy"}),
    [](const auto& each) { return std::string(each.param.name); });

TEST(Classify, slices_behind_a_refused_prctl_are_unknown) {
    Behaviour kernel = dual_kernel();
    kernel.wrong.get = -EPERM;
    EXPECT_EQ(classify_on(kernel).slices, Availability::unknown);
}

} // namespace
} // namespace rseq::verify
