// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include "daemon/bus_handles.h"
#include "daemon/bus_limits.h"
#include "daemon/bus_writer.h"
#include "daemon/event_source.h"

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>

namespace rseq::daemon {

class Callers;

/// A connection that has called us and is still there.
class Caller {
public:
    explicit Caller(std::string name, Callers* owner) : name_(std::move(name)), owner_(owner) {}

    /// Unique name on the bus: never given to another connection.
    [[nodiscard]] const std::string& name() const { return name_; }
    /// Known wherever a Caller is handed to somebody.
    [[nodiscard]] uid_t uid() const { return uid_.value_or(static_cast<uid_t>(-1)); }
    [[nodiscard]] bool is_root() const { return uid_ == 0U; }

    // Of Subscribers.
    std::uint16_t kinds = 0;  ///< a bit for each Kind that it has subscribed to
    std::uint64_t missed = 0; ///< events that it has not been told of yet

private:
    friend class Callers;
    struct Waiting {
        BusMessage call;
        std::function<int(sd_bus_message*, Caller&)> serve;
    };

    std::string name_;
    Callers* owner_;
    std::optional<uid_t> uid_;
    std::size_t unread_ = 0; ///< bytes sent that it may not have read
    std::size_t fresh_ = 0;  ///< those of them sent since the bus was last asked
    std::list<Waiting> waiting_;
    BusSlot lookup_;
    BusSlot query_;
};

/// Everybody who calls, and what each of them has not read yet.
///
/// dbus-daemon keeps what a connection does not read, counts it against the *sender*, and at 127 MiB
/// stops reading from that sender. So one client that asks and never reads would silence a service
/// for all. Here it is counted what is sent to each connection; whoever has too much under way is
/// told so, and then ignored. The bus itself is asked how much of it is still to be read
/// (org.freedesktop.DBus.Debug.Stats), some time after something was sent and not otherwise. A bus
/// that does not tell is trusted: dbus-broker ends connections that do not read.
///
/// The user of a connection is asked for without waiting, and the first calls wait for the answer.
class Callers {
public:
    using Serve = std::function<int(sd_bus_message*, Caller&)>;
    struct Hooks {
        /// The connection is gone; the caller is removed after that.
        std::function<void(Caller&)> gone;
        /// It has read what was sent to it.
        std::function<void(Caller&)> has_read;
        /// The bus does not answer.
        std::function<void()> stuck;
    };

    /// The bus and the loop have to outlive the result.
    Callers(sd_bus* bus, sd_event* loop, const CallerLimits& limits, Hooks hooks);
    Callers(const Callers&) = delete;
    Callers& operator=(const Callers&) = delete;
    ~Callers() = default;

    /// To be asked for every method call before anything else. Charges the caller for it. True if
    /// it is to be served; otherwise it has been answered or is to be forgotten.
    bool admit(sd_bus_message* call);

    /// Lets an admitted call be served by `serve`, now or as soon as the user of its caller is
    /// known. The call is kept until then: its arguments have to be read before, so that it is
    /// known to be small. Returns what a method handler of sd-bus returns.
    int serve(sd_bus_message* call, Serve serve);

    /// Replies with the values that `write(BusWriter&)` appends. Returns the same.
    template <class Write>
    int reply(sd_bus_message* call, Caller& caller, Write write) {
        sd_bus_message* message = nullptr;
        if (const int result = ::sd_bus_message_new_method_return(call, &message); result < 0) {
            return result;
        }
        const BusMessage owner(message);
        BusWriter out(message);
        write(out);
        return out.result() < 0 ? out.result() : send(caller, message, out.size());
    }

    /// True if it has read enough to be sent more.
    [[nodiscard]] bool has_room(const Caller& caller) const { return is_below(caller, 1); }
    /// Sends a message of about `size` bytes to this caller. Returns a negative errno if it could
    /// not be queued.
    int send(Caller& caller, sd_bus_message* message, std::size_t size);

    /// Whether a signal to everybody can be sent, of about `size` bytes; charges for it.
    bool admit_broadcast(std::size_t size);

    [[nodiscard]] sd_bus* bus() const { return bus_; }

private:
    int on_gone(sd_bus_message* signal, sd_bus_error*);
    static int on_uid(sd_bus_message* reply, void* caller, sd_bus_error*) noexcept;
    static int on_stats(sd_bus_message* reply, void* caller, sd_bus_error*) noexcept;
    static int on_broadcast_stats(sd_bus_message* reply, void* self, sd_bus_error*) noexcept;
    static int on_tick(sd_event_source*, std::uint64_t, void* self) noexcept;

    /// Whether less than so many times what is allowed is under way to it.
    [[nodiscard]] bool is_below(const Caller& caller, std::size_t times) const;
    Caller* find(const char* name);
    Caller* add(const char* name);
    void remove(const std::string& name);
    void look_up(Caller& caller);
    void serve_waiting(Caller& caller);
    void refuse_waiting(Caller& caller, const char* why);
    void ask_what_is_unread(Caller& caller);
    void take_answer(Caller& caller, sd_bus_message* reply);
    std::optional<std::size_t> read_stats(sd_bus_message* reply, const char* key);
    void charge(Caller& caller, std::size_t bytes);
    void discharge(Caller& caller, std::size_t bytes);
    void tick();
    void arm(std::uint64_t usec);

    sd_bus* bus_;
    sd_event* loop_;
    CallerLimits limits_;
    Hooks hooks_;
    BusSlot disconnects_; ///< while there is a caller
    EventSource timer_;
    std::uint64_t interval_usec_ = 0; ///< 0: the timer is off
    bool moved_ = false;              ///< something was read or sent since the last tick
    bool has_stats_ = true;

    std::unordered_map<std::string, std::unique_ptr<Caller>> callers_;
    std::unordered_map<uid_t, std::size_t> unread_of_user_; ///< root is not in it
    std::size_t unread_of_users_ = 0;
    std::size_t unread_of_all_ = 0; ///< with root and those not known yet
    std::size_t broadcast_unread_ = 0;
    std::size_t broadcast_fresh_ = 0;
    BusSlot broadcast_query_;
    std::uint64_t refusal_told_usec_ = 0;
};

} // namespace rseq::daemon
