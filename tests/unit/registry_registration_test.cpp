// SPDX-License-Identifier: GPL-2.0-or-later
// What the events of registrations mean, on kernels with our events and without.
#include "unit/registry_fixture.h"

#include <cerrno>

using namespace rseq;
using namespace rseq::registry;

namespace {

using RegistryRegistration = RegistryTest;
using RegistryOnStockKernels = RegistryTest;

} // namespace

// Registration: kernel/rseq.c

TEST_F(RegistryRegistration, OfTheThreadThatCalled) {
    scan({seen(10, {Mode::none, Mode::none})});
    registers(11, 10, 2, SliceState::available);
    EXPECT_EQ(mode_of_thread(10), Mode::none);
    EXPECT_EQ(mode_of_thread(11), Mode::v2);
    EXPECT_EQ(registry->find_thread(11)->length, 33U);
    EXPECT_EQ(registry->find_thread(11)->slice, SliceState::available);
    EXPECT_EQ(registry->find(10)->source, Evidence::trace);
}

TEST_F(RegistryRegistration, TheKernelsWordCountsAndNotTheLength) {
    scan({seen(10, {Mode::none})});
    apply(10, event::Registered{10, std::uint8_t{1}, 64, 0, 1, SliceState::unavailable, 0});
    EXPECT_EQ(mode_of(10), Mode::v1);
    EXPECT_EQ(registry->find_thread(10)->length, 64U);
}

TEST_F(RegistryRegistration, OneThreadInV1AndAnotherInV2IsMixed) {
    scan({seen(10, {Mode::none, Mode::none})});
    registers(10, 10, 1);
    registers(11, 10, 2);
    EXPECT_EQ(mode_of(10), Mode::mixed);
    EXPECT_EQ(registry->process_counts(), ProcessCounts{.mixed = 1});
    EXPECT_EQ(registry->thread_counts(), (ModeCounts{.v1 = 1, .v2 = 1}));
    exits(11, false);
    EXPECT_EQ(mode_of(10), Mode::v1);
}

TEST_F(RegistryRegistration, EndsWithItsUnregistration) {
    scan({seen(10, {Mode::v2})});
    unregisters(10, 10);
    EXPECT_EQ(mode_of(10), Mode::none);
    EXPECT_EQ(registry->find_thread(10)->length, 0U);
    EXPECT_EQ(registry->find_thread(10)->slice, SliceState::unavailable);
}

TEST_F(RegistryRegistration, ARefusedAttemptChangesNothingAndIsRemembered) {
    scan({seen(10, {Mode::v1})});
    is_refused(10, 10, EBUSY);
    EXPECT_EQ(mode_of(10), Mode::v1);
    EXPECT_EQ(registry->find_thread(10)->length, 32U);
    EXPECT_EQ(registry->find(10)->source, Evidence::procfs);
    const auto refusals = registry->refusals(*registry->find(10));
    ASSERT_EQ(refusals.size(), 1U);
    EXPECT_EQ(refusals[0].time_ns, now);
    EXPECT_EQ(refusals[0].tid, 10);
    EXPECT_EQ(refusals[0].error, EBUSY);
    EXPECT_EQ(refusals[0].length, 48U);
}

TEST_F(RegistryRegistration, ARefusedUnregistrationChangesNothing) {
    scan({seen(10, {Mode::v2})});
    unregisters(10, 10, EPERM);
    EXPECT_EQ(mode_of(10), Mode::v2);
    EXPECT_EQ(kinds(), Kinds{ChangeKind::unregister_refused});
}

TEST_F(RegistryRegistration, OfAnUnknownThreadMakesItKnown) {
    scan({seen(10, {Mode::v2})});
    registers(11, 10, 2);
    EXPECT_EQ(threads_of(10), (Pids{10, 11}));
    EXPECT_EQ(unsettled().first, Pids{10}) << "who knows what else was missed";
}

TEST_F(RegistryRegistration, OfAnUnknownProcessLeavesItsOtherThreadsToBeFound) {
    registers(11, 10, 2);
    EXPECT_EQ(threads_of(10), Pids{11});
    EXPECT_EQ(mode_of(10), Mode::v2);
    EXPECT_EQ(registry->find(10)->policy, std::nullopt);
    EXPECT_EQ(unsettled().first, Pids{10});
}

TEST_F(RegistryRegistration, OfAThreadThatIsInAnotherGroupNowMovesIt) {
    scan({seen(10, {Mode::v2, Mode::v2}), seen(30, {Mode::v1})});
    registers(11, 30, 1);
    EXPECT_EQ(threads_of(10), Pids{10});
    EXPECT_EQ(threads_of(30), (Pids{11, 30}));
}

TEST_F(RegistryRegistration, SlicesAreEnabledByThePrctl) {
    scan({seen(10, {Mode::v2})});
    apply(10, event::SliceEnabled{10, true, 0});
    EXPECT_EQ(registry->find_thread(10)->slice, SliceState::enabled);
    EXPECT_EQ(registry->find(10)->slice_enabled, 1U);
    apply(10, event::SliceEnabled{10, false, 524});
    EXPECT_EQ(registry->find(10)->slice_enabled, 1U) << "refused";
    apply(10, event::SliceEnabled{10, false, 0});
    EXPECT_EQ(registry->find_thread(10)->slice, SliceState::available);
    EXPECT_EQ(registry->find(10)->slice_enabled, 0U);
}

TEST_F(RegistryRegistration, NoSlicesAreEnabledInAThreadThatCannotHaveAny) {
    scan({seen(10, {Mode::v1})});
    apply(10, event::SliceEnabled{10, true, 0});
    EXPECT_EQ(registry->find_thread(10)->slice, SliceState::unavailable);
    EXPECT_EQ(registry->find(10)->slice_enabled, 0U);
}

TEST_F(RegistryRegistration, EnabledSlicesEndWithTheThread) {
    scan({seen(10, {Mode::v2, Mode::v2})});
    apply(11, event::SliceEnabled{10, true, 0});
    exits(11, false);
    EXPECT_EQ(registry->find(10)->slice_enabled, 0U);
}

// Kernels without our events

TEST_F(RegistryOnStockKernels, ARegistrationIsJudgedByTheClassOfTheKernel) {
    for (const auto& [kernel_class, length, mode] :
         {std::tuple(KernelClass::historical, 33U, Mode::v1),
          std::tuple(KernelClass::broken, 32U, Mode::v2),
          std::tuple(KernelClass::dual, 32U, Mode::v1),
          std::tuple(KernelClass::dual, 33U, Mode::v2),
          std::tuple(KernelClass::unknown, 33U, Mode::unknown)}) {
        use(stock_kernel(kernel_class));
        auto process = seen(10, {Mode::none});
        process.policy.reset();
        scan({process});
        calls_rseq(10, length);
        EXPECT_EQ(mode_of(10), mode) << to_string(kernel_class) << " " << length;
    }
}

TEST_F(RegistryOnStockKernels, SlicesFollowWhatIsKnownOfTheKernel) {
    use(stock_kernel(KernelClass::dual));
    scan({seen(10, {Mode::none})});
    calls_rseq(10, 33);
    EXPECT_EQ(registry->find_thread(10)->slice, SliceState::unavailable);
    KernelFacts facts = stock_kernel(KernelClass::dual);
    facts.slices = Availability::yes;
    use(facts);
    scan({seen(10, {Mode::none})});
    calls_rseq(10, 33);
    EXPECT_EQ(registry->find_thread(10)->slice, SliceState::available);
}

TEST_F(RegistryOnStockKernels, ARefusedCallChangesNothing) {
    use(stock_kernel(KernelClass::dual));
    scan({seen(10, {Mode::none})});
    calls_rseq(10, 32, EBUSY);
    EXPECT_EQ(mode_of(10), Mode::none);
    EXPECT_EQ(registry->refusals(*registry->find(10)).size(), 1U);
}

TEST_F(RegistryOnStockKernels, ThereAreNoPolicies) {
    use(stock_kernel(KernelClass::dual));
    auto process = seen(10, {Mode::v2});
    process.policy.reset();
    scan({process});
    exec(10);
    EXPECT_EQ(registry->find(10)->policy, std::nullopt);
    fork(10, 20);
    EXPECT_EQ(registry->find(20)->policy, std::nullopt);
    EXPECT_EQ(unsettled(), (std::pair{Pids{}, Pids{10, 20}})) << "no reason to scan";
}

TEST_F(RegistryOnStockKernels, ACallOfAnUnknownThreadCannotBeGivenToAProcess) {
    use(stock_kernel(KernelClass::dual));
    scan({seen(10, {Mode::v2})});
    calls_rseq(11, 33);
    EXPECT_EQ(registry->thread_size(), 1U);
    EXPECT_EQ(kinds(), Kinds{ChangeKind::registered}) << "told all the same";
    EXPECT_EQ(told[0].pid, 0);
    EXPECT_EQ(told[0].tid, 11);
    EXPECT_TRUE(registry->needs_rescan());
}
