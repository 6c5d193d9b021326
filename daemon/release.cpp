// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/release.h"

#include "daemon/event_source.h"
#include "verify/classify.h"

#include <cerrno>
#include <cstdlib>
#include <optional>
#include <utility>

namespace rseq::daemon {

Result<void> release(const EnforcerPlaces& places) {
    sd_event* made = nullptr;
    if (const int result = ::sd_event_new(&made); result < 0) {
        return fail(-result, "cannot make an event loop");
    }
    const EventLoop loop(made);
    const KernelFacts facts = verify::classify();
    std::optional<enforce::CgroupTree> tree;
    if (auto mounted = enforce::CgroupTree::mounted()) {
        tree = std::move(*mounted);
    }
    Enforcer enforcer(loop.get(), facts, std::move(tree), places);
    bool complete = false;
    enforcer.apply({}, [&](const Applied& applied) {
        complete = applied.complete();
        ::sd_event_exit(loop.get(), EXIT_SUCCESS);
    });
    if (const int result = ::sd_event_loop(loop.get()); result < 0) {
        return fail(-result, "the event loop failed");
    }
    if (!complete) {
        return fail(EIO, "not everything could be put back");
    }
    return {};
}

} // namespace rseq::daemon
