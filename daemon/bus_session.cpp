// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/bus_session.h"

#include "daemon/bus_names.h"

#include <poll.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstdlib>
#include <utility>

namespace rseq::daemon {

namespace {

/// A connection as sd_bus_open_system() makes it, except that no message brings file descriptors:
/// a call that waits would keep them, and there are few. Returns a negative errno on failure.
int open_system_bus(BusConnection& bus) {
    sd_bus* made = nullptr;
    int result = ::sd_bus_new(&made);
    bus.reset(made);
    const char* address = ::secure_getenv("DBUS_SYSTEM_BUS_ADDRESS");
    if (result >= 0) {
        result = ::sd_bus_set_address(
            made, address != nullptr ? address : "unix:path=/run/dbus/system_bus_socket");
    }
    if (result >= 0) {
        result = ::sd_bus_set_description(made, "rseq-compatd");
    }
    if (result >= 0) {
        result = ::sd_bus_set_bus_client(made, 1);
    }
    if (result >= 0) {
        result = ::sd_bus_negotiate_fds(made, 0);
    }
    return result >= 0 ? ::sd_bus_start(made) : result;
}

} // namespace

Result<std::unique_ptr<BusSession>> BusSession::open(sd_event* loop, const State& state,
                                                     const BusHooks& hooks, const BusLimits& limits,
                                                     TakeName take_name, Events events) {
    BusConnection connection;
    int result = open_system_bus(connection);
    if (result < 0) {
        return fail(-result, "cannot connect to the system bus");
    }
    sd_bus* bus = connection.get();
    // sd-bus asks for a large one. What is in it cannot be overtaken by the answer to somebody
    // else.
    ::setsockopt(::sd_bus_get_fd(bus), SOL_SOCKET, SO_SNDBUF, &limits.send_buffer_bytes,
                 sizeof limits.send_buffer_bytes);
    std::unique_ptr<BusSession> self(new BusSession(std::move(connection), std::move(events)));

    self->callers_.emplace(bus, loop, limits,
                           Callers::Hooks{[session = self.get()](Caller& caller) {
                                              session->subscribers_->set(caller, 0);
                                              session->polkit_->forget(caller);
                                          },
                                          [session = self.get()](Caller& caller) {
                                              session->subscribers_->tell_missed(caller);
                                          },
                                          self->events_.lost});
    self->polkit_.emplace(bus, limits.polkit);
    self->subscribers_.emplace(*self->callers_, limits.subscribers, hooks.want_slices);
    self->manager_.emplace(state, hooks, *self->callers_, *self->polkit_, *self->subscribers_);
    self->log_control_.emplace(*self->callers_, *self->polkit_);

    sd_bus_slot* slot = nullptr;
    result = ::sd_bus_add_filter(bus, &slot, bus_callback<&BusSession::on_message>, self.get());
    if (result < 0) {
        return fail(-result, "cannot look at messages of the bus");
    }
    self->filter_.reset(slot);
    sd_event_source* crowd = nullptr;
    result = ::sd_event_add_defer(loop, &crowd, on_crowd, self.get());
    self->crowd_.reset(crowd);
    if (result >= 0) {
        result = ::sd_event_source_set_enabled(crowd, SD_EVENT_OFF);
    }
    if (result < 0) {
        return fail(-result, "cannot attach the bus to the event loop");
    }
    auto done = self->manager_->attach();
    if (done) {
        done = self->log_control_->attach();
    }
    if (done) {
        done = self->take_name(take_name);
    }
    if (!done) {
        return tl::unexpected<Error>(std::move(done.error()));
    }
    result = ::sd_bus_attach_event(bus, loop, SD_EVENT_PRIORITY_NORMAL);
    if (result < 0) {
        return fail(-result, "cannot attach the bus to the event loop");
    }
    return self;
}

BusSession::~BusSession() {
    ::sd_bus_detach_event(bus_.get());
}

Result<void> BusSession::take_name(TakeName how) {
    constexpr std::uint64_t do_not_queue = 0;
    int result = 0;
    if (how == TakeName::now) {
        result = ::sd_bus_request_name(bus_.get(), bus_name, do_not_queue);
    } else {
        sd_bus_slot* slot = nullptr;
        result = ::sd_bus_request_name_async(bus_.get(), &slot, bus_name, do_not_queue,
                                             bus_callback<&BusSession::on_name>, this);
        name_.reset(slot);
    }
    if (result < 0) {
        return fail(-result, std::string("cannot take the name ") + bus_name + " on the bus");
    }
    return {};
}

int BusSession::on_name(sd_bus_message* reply, sd_bus_error* /*error*/) {
    constexpr std::uint32_t owner = 1; // DBUS_REQUEST_NAME_REPLY_PRIMARY_OWNER
    const BusSlot done = std::move(name_);
    std::uint32_t answer = 0;
    if (::sd_bus_message_is_method_error(reply, nullptr) > 0 ||
        ::sd_bus_message_read(reply, "u", &answer) <= 0 || answer != owner) {
        events_.lost();
    } else {
        events_.has_name();
    }
    return 1;
}

int BusSession::on_message(sd_bus_message* message, sd_bus_error* /*error*/) {
    if (::sd_bus_is_open(bus_.get()) <= 0) {
        events_.lost(); // the farewell that sd-bus makes up
        return 0;
    }
    std::uint8_t type = 0;
    if (::sd_bus_message_get_type(message, &type) < 0 || type != SD_BUS_MESSAGE_METHOD_CALL) {
        return 0;
    }
    if (callers_->admit(message)) {
        return 0;
    }
    // Where one call is too many, there are more of them as a rule, and others behind them: out of
    // the way with them in fewer turns of the loop.
    ::sd_event_source_set_enabled(crowd_.get(), SD_EVENT_ONESHOT);
    return 1;
}

int BusSession::on_crowd(sd_event_source* /*source*/, void* userdata) noexcept {
    constexpr int at_once = 256;
    auto& self = *static_cast<BusSession*>(userdata);
    for (int i = 0; i<at_once&& ::sd_bus_process(self.bus_.get(), nullptr)> 0; ++i) {
    }
    return 0;
}

void BusSession::flush() {
    constexpr int attempts = 20;
    constexpr int attempt_msec = 50;
    std::uint64_t queued = 0;
    for (int i = 0; i < attempts; ++i) {
        if (::sd_bus_get_n_queued_write(bus_.get(), &queued) < 0 || queued == 0) {
            return;
        }
        pollfd ready{::sd_bus_get_fd(bus_.get()), POLLOUT, 0};
        if (::poll(&ready, 1, attempt_msec) < 0 || ::sd_bus_process(bus_.get(), nullptr) < 0) {
            return;
        }
    }
}

} // namespace rseq::daemon
