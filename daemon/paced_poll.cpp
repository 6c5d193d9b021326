// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/paced_poll.h"

#include "daemon/log.h"

#include <sys/epoll.h>

#include <ctime>
#include <exception>

namespace rseq::daemon {

Result<std::unique_ptr<PacedPoll>> PacedPoll::create(sd_event* loop, int fd,
                                                     std::uint64_t step_usec, Drain drain) {
    std::unique_ptr<PacedPoll> poll(new PacedPoll(step_usec, std::move(drain)));
    sd_event_source* source = nullptr;
    int result = ::sd_event_add_io(loop, &source, fd, EPOLLIN, on_readable, poll.get());
    poll->readable_.reset(source);
    if (result < 0) {
        return fail(-result, "cannot wait for trace data");
    }
    // The accuracy lets the kernel merge the step with whatever else wakes this process.
    source = nullptr;
    result = ::sd_event_add_time_relative(loop, &source, CLOCK_MONOTONIC, step_usec, step_usec / 2,
                                          on_step, poll.get());
    poll->step_.reset(source);
    if (result < 0 || (result = ::sd_event_source_set_enabled(source, SD_EVENT_OFF)) < 0) {
        return fail(-result, "cannot make a timer");
    }
    return poll;
}

void PacedPoll::drain_now() noexcept {
    bool more = false;
    try {
        more = drain_();
    } catch (const std::exception& error) {
        // The events of this step may be lost, the ones that follow are not.
        log::message(log::Level::error, "cannot handle trace events: {}", error.what());
        more = true;
    }
    ::sd_event_source_set_enabled(readable_.get(), more ? SD_EVENT_OFF : SD_EVENT_ON);
    if (more) {
        ::sd_event_source_set_time_relative(step_.get(), step_usec_);
    }
    ::sd_event_source_set_enabled(step_.get(), more ? SD_EVENT_ONESHOT : SD_EVENT_OFF);
}

int PacedPoll::on_readable(sd_event_source* /*source*/, int /*fd*/, std::uint32_t /*events*/,
                           void* self) noexcept {
    static_cast<PacedPoll*>(self)->drain_now();
    return 0;
}

int PacedPoll::on_step(sd_event_source* /*source*/, std::uint64_t /*usec*/, void* self) noexcept {
    static_cast<PacedPoll*>(self)->drain_now();
    return 0;
}

} // namespace rseq::daemon
