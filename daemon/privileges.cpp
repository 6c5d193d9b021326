// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/privileges.h"

#include <sys/capability.h>

#include <array>
#include <memory>

namespace rseq::daemon {

Result<void> drop_bpf_privileges() {
    constexpr std::array<cap_value_t, 2> unneeded{CAP_BPF, CAP_PERFMON};
    const char* const what = "cannot drop capabilities";

    for (const cap_value_t capability : unneeded) {
        // Fails without CAP_SETPCAP. The other sets are what counts then: without them an execve
        // of a program without file capabilities gains nothing from the bounding set.
        static_cast<void>(::cap_drop_bound(capability));
        if (::cap_get_ambient(capability) == 1 && ::cap_set_ambient(capability, CAP_CLEAR) != 0) {
            return fail_errno(what);
        }
    }
    using Caps = std::unique_ptr<void, int (*)(void*)>;
    const Caps caps(::cap_get_proc(), ::cap_free);
    if (caps == nullptr) {
        return fail_errno(what);
    }
    auto* const state = static_cast<cap_t>(caps.get());
    for (const cap_flag_t set : {CAP_EFFECTIVE, CAP_PERMITTED, CAP_INHERITABLE}) {
        if (::cap_set_flag(state, set, unneeded.size(), unneeded.data(), CAP_CLEAR) != 0) {
            return fail_errno(what);
        }
    }
    if (::cap_set_proc(state) != 0) {
        return fail_errno(what);
    }
    return {};
}

} // namespace rseq::daemon
