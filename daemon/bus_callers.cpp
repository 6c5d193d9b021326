// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/bus_callers.h"

#include "daemon/bus_names.h"
#include "daemon/log.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <ctime>
#include <string_view>

namespace rseq::daemon {

namespace {

constexpr std::uint64_t refusal_told_every_usec = 60'000'000;
/// How long calls are served, beyond the first one, before others than callers have their turn.
constexpr std::uint64_t turn_usec = 2000;
/// Before a call of somebody with so much to read is served, so many messages are taken from the
/// bus: those with less to read may be behind them.
constexpr std::size_t much_bytes = std::size_t{64} << 10U;
constexpr int taken_first = 64;

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
    static constexpr std::array<std::string_view, 9> members{
        "Subscribe", "Unsubscribe",   "Rescan",      "Reload",         "Set",
        "SetPolicy", "ApplyPolicies", "UnsetPolicy", "SetSliceLength",
    };
    return std::find(members.begin(), members.end(), or_empty(::sd_bus_message_get_member(call))) !=
           members.end();
}

std::uint64_t now_usec() {
    timespec now{};
    ::clock_gettime(CLOCK_MONOTONIC, &now);
    return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000U +
           static_cast<std::uint64_t>(now.tv_nsec) / 1000U;
}

int reply_limit(sd_bus_message* call) {
    return ::sd_bus_reply_method_errorf(
        call, SD_BUS_ERROR_LIMITS_EXCEEDED,
        "Too much that was asked for has not been read yet; read it and try again");
}

} // namespace

Callers::Callers(sd_bus* bus, sd_event* loop, const BusLimits& limits, Hooks hooks)
    : bus_(bus), loop_(loop), limits_(limits), hooks_(std::move(hooks)),
      unread_(bus, loop, limits.unread,
              {[this](Account& account) { remove(std::string(account.name())); },
               [this](Account& account) { on_read(static_cast<Caller&>(account)); },
               hooks_.stuck}) {}

Callers::~Callers() = default;

std::uint64_t Callers::unsent() const {
    std::uint64_t messages = 0;
    return ::sd_bus_get_n_queued_write(bus_, &messages) < 0 ? 0 : messages;
}

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
    Caller& caller = *found->second;
    hooks_.gone(caller);
    unread_.forget(caller);
    waiting_ -= caller.weight_;
    std::erase(turn_, &caller);
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
    const int result = ::sd_bus_call_method_async(bus_, &slot, driver_name, driver_path,
                                                  driver_name, "GetConnectionUnixUser", on_uid,
                                                  &caller, "s", caller.name().c_str());
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
        self.remove(std::string(caller.name()));
    } else {
        if (::sd_bus_message_is_method_error(reply, nullptr) <= 0 &&
            ::sd_bus_message_read(reply, "u", &uid) > 0) {
            self.unread_.set_user(caller, uid);
        }
        self.set_turn(caller);
        self.schedule();
    }
    return 0;
}

void Callers::on_read(Caller& caller) {
    hooks_.has_read(caller);
    set_turn(caller);
    schedule();
}

bool Callers::admit(sd_bus_message* call) {
    const char* const name = ::sd_bus_message_get_sender(call);
    Caller* caller = find(name);
    if (caller == nullptr && (caller = add(name)) == nullptr) {
        reply_limit(call);
        return false;
    }
    // What sd-bus answers by itself, with properties or errors, cannot wait its turn.
    if (unsent() == 0) {
        caller->at_once_ = 0;
    }
    const bool is_ours = or_empty(::sd_bus_message_get_interface(call)) == manager_interface;
    if (caller->at_once_ >= limits_.at_once_bytes || !is_below(*caller, is_ours ? 2 : 1)) {
        refuse(call, *caller);
        return false;
    }
    caller->at_once_ += cost_of(call);
    unread_.charge(*caller, cost_of(call));
    // Otherwise nobody would see what it returns.
    return ::sd_bus_message_get_expect_reply(call) > 0 || has_effect(call);
}

void Callers::refuse(sd_bus_message* call, Caller& caller) {
    if (const std::uint64_t now = now_usec();
        refusal_told_usec_ == 0 || now - refusal_told_usec_ >= refusal_told_every_usec) {
        refusal_told_usec_ = now;
        log::message(log::Level::notice, "D-Bus: {} asks for more than it reads (user {})",
                     caller.name(), caller.uid() ? std::to_string(*caller.uid()) : "not known");
    }
    if (caller.refusals_ < limits_.refusals && is_below(caller, 2) &&
        unsent() < limits_.unsent_messages) {
        ++caller.refusals_;
        unread_.charge(caller, error_reply_bytes);
        reply_limit(call);
    }
}

int Callers::enqueue(sd_bus_message* call, bool needs_user, std::size_t bytes, Serve serve) {
    Caller* const caller = find(::sd_bus_message_get_sender(call));
    if (caller == nullptr) {
        return -ENXIO; // it was not admitted
    }
    // sd-bus leaves it to us for calls that it has no signature for.
    if (::sd_bus_message_at_end(call, 1) <= 0) {
        return ::sd_bus_reply_method_errorf(call, SD_BUS_ERROR_INVALID_ARGS,
                                            "There are more arguments than are taken");
    }
    const std::size_t most =
        waiting_ < limits_.waiting ? limits_.waiting_of_caller : limits_.waiting_at_least;
    if (caller->weight_ >= most) {
        refuse(call, *caller);
        return 1;
    }
    caller->at_once_ -= std::min(caller->at_once_, cost_of(call));
    const std::size_t weight = 1 + bytes / limits_.waiting_bytes;
    caller->waiting_.push_back({keep(call), needs_user, weight, std::move(serve)});
    caller->weight_ += weight;
    waiting_ += weight;
    set_turn(*caller);
    schedule();
    return 1;
}

void Callers::set_turn(Caller& caller) {
    if (!caller.in_turn_ && !caller.waiting_.empty()) {
        caller.in_turn_ = true;
        turn_.push_back(&caller);
    }
}

std::vector<Caller*>::iterator Callers::next_in_turn() {
    return std::min_element(turn_.begin(), turn_.end(),
                            [](auto* one, auto* other) { return one->unread() < other->unread(); });
}

void Callers::take_first() {
    for (int i = 0; i < taken_first; ++i) {
        if (unsent() == 0 && (turn_.empty() || (*next_in_turn())->unread() < much_bytes)) {
            return;
        }
        if (::sd_bus_process(bus_, nullptr) <= 0) {
            return; // there is nothing, or an error, which the loop meets too
        }
    }
}

void Callers::serve_in_turn() {
    take_first();
    const std::uint64_t end = now_usec() + turn_usec;
    while (!turn_.empty() && unsent() == 0) {
        const auto least = next_in_turn();
        Caller& caller = **least;
        turn_.erase(least);
        caller.in_turn_ = false;
        if (caller.waiting_.front().needs_user && !caller.uid() && caller.lookup_ != nullptr) {
            continue; // until the answer is there
        }
        if (!unread_.is_below(caller, 1)) {
            unread_.hurry(caller);
            continue; // until it has read
        }
        serve_next(caller);
        set_turn(caller);
        if (now_usec() >= end) {
            break;
        }
    }
    schedule();
}

void Callers::serve_next(Caller& caller) {
    const Caller::Waiting next = std::move(caller.waiting_.front());
    caller.waiting_.pop_front();
    caller.weight_ -= next.weight;
    waiting_ -= next.weight;
    sd_bus_message* const call = next.call.get();
    if (next.needs_user && !caller.uid()) {
        ::sd_bus_reply_method_errorf(call, SD_BUS_ERROR_ACCESS_DENIED,
                                     "The bus does not tell which user you are");
    } else if (!unread_.is_user_below(caller, 1)) {
        refuse(call, caller); // because of others: it cannot know how long
    } else {
        caller.refusals_ = 0;
        if (const int result = next.serve(call, caller); result < 0) {
            ::sd_bus_reply_method_errno(call, result, nullptr);
        }
    }
}

void Callers::schedule() {
    const auto set = [](EventSource& source, auto make, int enabled) {
        if (source == nullptr && enabled != SD_EVENT_OFF) {
            sd_event_source* added = nullptr;
            if (make(&added) < 0) {
                return;
            }
            source.reset(added);
        }
        if (source != nullptr) {
            ::sd_event_source_set_enabled(source.get(), enabled);
        }
    };
    // Not a deferred source: one that asks for itself again stays before all others.
    const auto make_turn = [this](sd_event_source** added) {
        return ::sd_event_add_time(loop_, added, CLOCK_MONOTONIC, 0, 1, on_turn, this);
    };
    const auto make_post = [this](sd_event_source** added) {
        return ::sd_event_add_post(loop_, added, on_something, this);
    };
    const bool waits = !turn_.empty();
    const bool blocked = waits && unsent() > 0;
    set(next_turn_, make_turn, waits && !blocked ? SD_EVENT_ONESHOT : SD_EVENT_OFF);
    set(after_something_, make_post, blocked ? SD_EVENT_ON : SD_EVENT_OFF);
}

int Callers::on_turn(sd_event_source* /*source*/, std::uint64_t /*usec*/, void* self) noexcept {
    static_cast<Callers*>(self)->serve_in_turn();
    return 0;
}

int Callers::on_something(sd_event_source* /*source*/, void* self) noexcept {
    static_cast<Callers*>(self)->serve_in_turn();
    return 0;
}

bool Callers::has_room(const Caller& caller) const {
    return is_below(caller, 1) && unsent() < limits_.unsent_messages;
}

int Callers::send(Caller& caller, sd_bus_message* message, std::size_t size) {
    unread_.charge(caller, size);
    return ::sd_bus_send(bus_, message, nullptr);
}

bool Callers::admit_broadcast(std::size_t size) {
    return unsent() < limits_.unsent_messages && unread_.admit_broadcast(size);
}

} // namespace rseq::daemon
