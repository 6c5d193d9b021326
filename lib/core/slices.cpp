// SPDX-License-Identifier: GPL-2.0-or-later
#include "core/slices.h"

namespace rseq {

namespace {

/// What a v2 thread may do with slices that it has not enabled.
SliceState slices_of_v2(const std::optional<Policy>& policy, Availability available) {
    if (available == Availability::no) {
        return SliceState::unavailable;
    }
    if (policy && policy->slice == PolicySlice::deny) {
        return SliceState::denied;
    }
    return available == Availability::yes ? SliceState::available : SliceState::unknown;
}

} // namespace

SliceState slices_of_thread(Mode mode, SliceState told, const std::optional<Policy>& policy,
                            Availability available) {
    if (mode == Mode::none || mode == Mode::v1) {
        return SliceState::unavailable;
    }
    if (mode == Mode::v2 && told == SliceState::unknown) {
        return slices_of_v2(policy, available);
    }
    return told;
}

SliceState slices_of_process(const ModeCounts& threads, std::uint32_t enabled,
                             const std::optional<Policy>& policy, Availability available) {
    if (enabled > 0) {
        return SliceState::enabled;
    }
    if (threads.v2 > 0) {
        return slices_of_v2(policy, available);
    }
    const Mode mode = threads.process_mode();
    if (mode == Mode::none || mode == Mode::v1 || available == Availability::no) {
        return SliceState::unavailable;
    }
    return SliceState::unknown;
}

} // namespace rseq
