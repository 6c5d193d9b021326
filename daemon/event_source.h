// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <systemd/sd-event.h>

#include <memory>

namespace rseq::daemon {

struct UnrefEventSource {
    void operator()(sd_event_source* source) const noexcept {
        ::sd_event_source_disable_unref(source);
    }
};
/// A source that is off the loop when its owner is gone.
using EventSource = std::unique_ptr<sd_event_source, UnrefEventSource>;

struct UnrefEventLoop {
    void operator()(sd_event* loop) const noexcept { ::sd_event_unref(loop); }
};
using EventLoop = std::unique_ptr<sd_event, UnrefEventLoop>;

} // namespace rseq::daemon
