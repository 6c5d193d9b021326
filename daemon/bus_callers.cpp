// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/bus_callers.h"

#include "daemon/log.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <ctime>
#include <string_view>

namespace rseq::daemon {

namespace {

constexpr const char* driver = "org.freedesktop.DBus";
constexpr const char* driver_path = "/org/freedesktop/DBus";
constexpr const char* stats_interface = "org.freedesktop.DBus.Debug.Stats";

constexpr std::uint64_t first_interval_usec = 100'000;
constexpr std::uint64_t last_interval_usec = 60'000'000;
constexpr std::uint64_t refusal_told_every_usec = 60'000'000;
/// Signals to everybody are not looked after before they are that many bytes.
constexpr std::size_t broadcast_unchecked = 1U << 20U;

/// What a call costs besides the reply that is counted when it is sent: its own handling, and the
/// replies that sd-bus makes by itself.
constexpr std::size_t call_bytes = 512;
constexpr std::size_t properties_bytes = 2048;
constexpr std::size_t introspection_bytes = 8192;
constexpr std::size_t error_reply_bytes = 200;

std::string_view or_empty(const char* text) {
    return text != nullptr ? text : "";
}

std::size_t cost_of(sd_bus_message* call) {
    const std::string_view interface = or_empty(::sd_bus_message_get_interface(call));
    if (interface == "org.freedesktop.DBus.Introspectable") {
        return introspection_bytes;
    }
    // A call may leave the interface out.
    return interface == "org.freedesktop.DBus.Properties" || interface.empty() ? properties_bytes
                                                                               : call_bytes;
}

/// True for calls that do something beyond their reply.
bool has_effect(sd_bus_message* call) {
    static constexpr std::array<std::string_view, 5> members{"Subscribe", "Unsubscribe", "Rescan",
                                                             "Reload", "Set"};
    const std::string_view member = or_empty(::sd_bus_message_get_member(call));
    for (const std::string_view known : members) {
        if (member == known) {
            return true;
        }
    }
    return false;
}

std::uint64_t now_usec() {
    timespec now{};
    ::clock_gettime(CLOCK_MONOTONIC, &now);
    return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000U +
           static_cast<std::uint64_t>(now.tv_nsec) / 1000U;
}

std::size_t minus(std::size_t value, std::size_t less) {
    return value > less ? value - less : 0;
}

int reply_limit(sd_bus_message* call) {
    return ::sd_bus_reply_method_errorf(
        call, SD_BUS_ERROR_LIMITS_EXCEEDED,
        "You have asked for more than you have read; read the replies and try again");
}

} // namespace

Callers::Callers(sd_bus* bus, sd_event* loop, const CallerLimits& limits, Hooks hooks)
    : bus_(bus), loop_(loop), limits_(limits), hooks_(std::move(hooks)) {}

Caller* Callers::find(const char* name) {
    const auto found = callers_.find(std::string(or_empty(name)));
    return found == callers_.end() ? nullptr : found->second.get();
}

Caller* Callers::add(const char* name) {
    if (name == nullptr || callers_.size() >= limits_.callers) {
        return nullptr;
    }
    if (callers_.empty()) {
        // Before the first question about a caller: the bus keeps the order, so that one who is
        // gone before this is in place is missed by that question.
        sd_bus_slot* slot = nullptr;
        const int result = ::sd_bus_add_match_async(
            bus_, &slot,
            "type='signal',sender='org.freedesktop.DBus',interface='org.freedesktop.DBus',"
            "member='NameOwnerChanged',path='/org/freedesktop/DBus',arg2=''",
            bus_callback<&Callers::on_gone>, nullptr, this);
        if (result < 0) {
            return nullptr;
        }
        disconnects_.reset(slot);
    }
    auto& caller = callers_[name];
    caller = std::make_unique<Caller>(name, this);
    look_up(*caller);
    return caller.get();
}

void Callers::remove(const std::string& name) {
    const auto found = callers_.find(name);
    if (found == callers_.end()) {
        return;
    }
    hooks_.gone(*found->second);
    discharge(*found->second, found->second->unread_);
    callers_.erase(found);
    if (callers_.empty()) {
        disconnects_.reset();
    }
}

int Callers::on_gone(sd_bus_message* signal, sd_bus_error* /*error*/) {
    const char* name = nullptr;
    if (::sd_bus_message_read(signal, "s", &name) > 0) {
        remove(name);
    }
    return 0;
}

void Callers::look_up(Caller& caller) {
    sd_bus_slot* slot = nullptr;
    const int result = ::sd_bus_call_method_async(bus_, &slot, driver, driver_path, driver,
                                                  "GetConnectionUnixUser", on_uid, &caller, "s",
                                                  caller.name_.c_str());
    if (result >= 0) {
        caller.lookup_.reset(slot);
    }
}

int Callers::on_uid(sd_bus_message* reply, void* userdata, sd_bus_error* /*error*/) noexcept {
    auto& caller = *static_cast<Caller*>(userdata);
    auto& self = *caller.owner_;
    const BusSlot done = std::move(caller.lookup_);
    std::uint32_t uid = 0;

    if (::sd_bus_message_is_method_error(reply, SD_BUS_ERROR_NAME_HAS_NO_OWNER) > 0) {
        self.remove(std::string(caller.name_));
    } else if (::sd_bus_message_is_method_error(reply, nullptr) > 0 ||
               ::sd_bus_message_read(reply, "u", &uid) <= 0) {
        self.refuse_waiting(caller, "The bus does not tell which user you are");
    } else {
        caller.uid_ = uid;
        if (!caller.is_root()) {
            self.unread_of_user_[uid] += caller.unread_;
            self.unread_of_users_ += caller.unread_;
        }
        self.serve_waiting(caller);
    }
    return 0;
}

void Callers::serve_waiting(Caller& caller) {
    const auto waiting = std::exchange(caller.waiting_, {});
    for (const Caller::Waiting& one : waiting) {
        const int result =
            has_room(caller) ? one.serve(one.call.get(), caller) : reply_limit(one.call.get());
        if (result < 0) {
            ::sd_bus_reply_method_errno(one.call.get(), result, nullptr);
        }
    }
}

void Callers::refuse_waiting(Caller& caller, const char* why) {
    for (const Caller::Waiting& one : std::exchange(caller.waiting_, {})) {
        ::sd_bus_reply_method_errorf(one.call.get(), SD_BUS_ERROR_ACCESS_DENIED, "%s", why);
    }
}

bool Callers::is_below(const Caller& caller, std::size_t times) const {
    if (caller.unread_ >= times * limits_.caller_bytes) {
        return false;
    }
    if (!caller.uid_ || caller.is_root()) {
        return true;
    }
    const auto user = unread_of_user_.find(*caller.uid_);
    return unread_of_users_ < times * limits_.total_bytes &&
           (user == unread_of_user_.end() || user->second < times * limits_.user_bytes);
}

bool Callers::admit(sd_bus_message* call) {
    std::uint64_t queued = 0;
    if (::sd_bus_get_n_queued_write(bus_, &queued) < 0 || queued >= limits_.queued_messages) {
        return false;
    }
    const char* const name = ::sd_bus_message_get_sender(call);
    Caller* caller = find(name);
    if (caller == nullptr && (caller = add(name)) == nullptr) {
        reply_limit(call);
        return false;
    }
    if (has_room(*caller)) {
        charge(*caller, cost_of(call));
        // Nobody would see what it returns.
        return ::sd_bus_message_get_expect_reply(call) > 0 || has_effect(call);
    }
    if (const std::uint64_t now = now_usec();
        refusal_told_usec_ == 0 || now - refusal_told_usec_ >= refusal_told_every_usec) {
        refusal_told_usec_ = now;
        log::message(log::Level::notice, "D-Bus: {} asks for more than it reads (user {})",
                     caller->name_, caller->uid_ ? std::to_string(*caller->uid_) : "not known");
    }
    if (is_below(*caller, 2)) {
        charge(*caller, error_reply_bytes);
        reply_limit(call);
    }
    return false;
}

int Callers::serve(sd_bus_message* call, Serve serve) {
    Caller* const caller = find(::sd_bus_message_get_sender(call));
    if (caller == nullptr) {
        return -ENXIO; // it was not admitted
    }
    if (caller->uid_) {
        return serve(call, *caller);
    }
    if (!caller->lookup_) {
        look_up(*caller); // the first attempt failed
    }
    if (!caller->lookup_ || caller->waiting_.size() >= limits_.waiting_calls) {
        return reply_limit(call);
    }
    caller->waiting_.push_back({keep(call), std::move(serve)});
    return 1;
}

int Callers::send(Caller& caller, sd_bus_message* message, std::size_t size) {
    charge(caller, size);
    return ::sd_bus_send(bus_, message, nullptr);
}

bool Callers::admit_broadcast(std::size_t size) {
    std::uint64_t queued = 0;
    if (::sd_bus_get_n_queued_write(bus_, &queued) < 0 || queued >= limits_.queued_messages ||
        broadcast_unread_ >= limits_.broadcast_bytes) {
        return false;
    }
    broadcast_unread_ += size;
    broadcast_fresh_ += size;
    if (broadcast_unread_ >= broadcast_unchecked) {
        moved_ = true;
        arm(first_interval_usec);
    }
    return true;
}

void Callers::charge(Caller& caller, std::size_t bytes) {
    caller.unread_ += bytes;
    caller.fresh_ += bytes;
    unread_of_all_ += bytes;
    if (caller.uid_ && !caller.is_root()) {
        unread_of_user_[*caller.uid_] += bytes;
        unread_of_users_ += bytes;
    }
    moved_ = true;
    arm(first_interval_usec);
}

void Callers::discharge(Caller& caller, std::size_t bytes) {
    caller.unread_ -= bytes;
    unread_of_all_ -= bytes;
    if (bytes > 0 && caller.uid_ && !caller.is_root()) {
        unread_of_users_ -= bytes;
        const auto user = unread_of_user_.find(*caller.uid_);
        user->second -= bytes;
        if (user->second == 0) {
            unread_of_user_.erase(user);
        }
    }
}

void Callers::arm(std::uint64_t usec) {
    if (interval_usec_ != 0 && interval_usec_ <= usec) {
        return;
    }
    int result = 0;
    if (timer_ == nullptr) {
        sd_event_source* timer = nullptr;
        result = ::sd_event_add_time_relative(loop_, &timer, CLOCK_MONOTONIC, usec, usec / 4,
                                              on_tick, this);
        timer_.reset(timer);
    } else {
        result = ::sd_event_source_set_time_relative(timer_.get(), usec);
        if (result >= 0) {
            result = ::sd_event_source_set_enabled(timer_.get(), SD_EVENT_ONESHOT);
        }
    }
    interval_usec_ = result < 0 ? 0 : usec;
}

int Callers::on_tick(sd_event_source* /*source*/, std::uint64_t /*usec*/, void* self) noexcept {
    static_cast<Callers*>(self)->tick();
    return 0;
}

void Callers::tick() {
    const std::uint64_t last = std::exchange(interval_usec_, 0);
    if (!has_stats_) {
        for (auto& [name, caller] : callers_) {
            discharge(*caller, caller->unread_);
            hooks_.has_read(*caller);
        }
        broadcast_unread_ = 0;
        return;
    }
    bool more = false;
    for (auto& [name, caller] : callers_) {
        if (caller->unread_ > 0) {
            ask_what_is_unread(*caller);
            more = true;
        }
    }
    if (broadcast_unread_ >= broadcast_unchecked && broadcast_query_ == nullptr) {
        const char* own_name = nullptr;
        sd_bus_slot* slot = nullptr;
        if (::sd_bus_get_unique_name(bus_, &own_name) >= 0 &&
            ::sd_bus_call_method_async(bus_, &slot, driver, driver_path, stats_interface,
                                       "GetConnectionStats", on_broadcast_stats, this, "s",
                                       own_name) >= 0) {
            broadcast_query_.reset(slot);
            broadcast_fresh_ = 0;
        }
        more = true;
    }
    if (more) {
        arm(std::exchange(moved_, false) ? first_interval_usec
                                         : std::min(last * 2, last_interval_usec));
    }
}

void Callers::ask_what_is_unread(Caller& caller) {
    if (caller.query_ != nullptr) {
        return;
    }
    sd_bus_slot* slot = nullptr;
    if (::sd_bus_call_method_async(bus_, &slot, driver, driver_path, stats_interface,
                                   "GetConnectionStats", on_stats, &caller, "s",
                                   caller.name_.c_str()) >= 0) {
        caller.query_.reset(slot);
        caller.fresh_ = 0;
    }
}

int Callers::on_stats(sd_bus_message* reply, void* userdata, sd_bus_error* /*error*/) noexcept {
    auto& caller = *static_cast<Caller*>(userdata);
    const BusSlot done = std::move(caller.query_);
    caller.owner_->take_answer(caller, reply);
    return 0;
}

void Callers::take_answer(Caller& caller, sd_bus_message* reply) {
    if (::sd_bus_message_is_method_error(reply, SD_BUS_ERROR_NAME_HAS_NO_OWNER) > 0) {
        remove(std::string(caller.name_));
        return;
    }
    const auto pending = read_stats(reply, "OutgoingBytes");
    if (!pending) {
        return;
    }
    const std::size_t read = minus(caller.unread_, *pending + caller.fresh_);
    if (read > 0) {
        moved_ = true;
        discharge(caller, read);
        hooks_.has_read(caller);
    }
}

int Callers::on_broadcast_stats(sd_bus_message* reply, void* userdata,
                                sd_bus_error* /*error*/) noexcept {
    auto& self = *static_cast<Callers*>(userdata);
    const BusSlot done = std::move(self.broadcast_query_);
    if (const auto pending = self.read_stats(reply, "IncomingBytes")) {
        // What is not for one of the callers is for everybody.
        self.broadcast_unread_ =
            std::min(self.broadcast_unread_,
                     minus(*pending, self.unread_of_all_) + self.broadcast_fresh_);
    }
    return 0;
}

std::optional<std::size_t> Callers::read_stats(sd_bus_message* reply, const char* key) {
    if (const sd_bus_error* const error = ::sd_bus_message_get_error(reply); error != nullptr) {
        if (::sd_bus_error_has_name(error, SD_BUS_ERROR_NO_REPLY) > 0 ||
            ::sd_bus_error_has_name(error, SD_BUS_ERROR_TIMEOUT) > 0) {
            hooks_.stuck();
        } else if (has_stats_) {
            has_stats_ = false;
            moved_ = true;
            arm(first_interval_usec);
            log::message(log::Level::info,
                         "D-Bus: this bus does not tell what its clients have not read");
        }
        return std::nullopt;
    }
    if (::sd_bus_message_enter_container(reply, 'a', "{sv}") <= 0) {
        return std::nullopt;
    }
    while (::sd_bus_message_enter_container(reply, 'e', "sv") > 0) {
        const char* name = nullptr;
        if (::sd_bus_message_read(reply, "s", &name) <= 0) {
            break;
        }
        if (std::string_view(name) == key) {
            std::uint32_t value = 0;
            return ::sd_bus_message_read(reply, "v", "u", &value) > 0
                       ? std::optional<std::size_t>(value)
                       : std::nullopt;
        }
        ::sd_bus_message_skip(reply, "v");
        ::sd_bus_message_exit_container(reply);
    }
    return std::nullopt;
}

} // namespace rseq::daemon
