// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include "daemon/bus_handles.h"
#include "daemon/bus_limits.h"
#include "daemon/bus_unread.h"
#include "daemon/bus_writer.h"
#include "daemon/event_source.h"

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

namespace rseq::daemon {

class Callers;

/// A connection that has called us and is still there.
class Caller : public Account {
public:
    Caller(std::string name, Callers* owner) : Account(std::move(name)), owner_(owner) {}

    // Of Subscribers.
    std::uint16_t kinds = 0;  ///< a bit for each Kind that it has subscribed to
    std::uint64_t missed = 0; ///< events that it has not been told of yet

private:
    friend class Callers;
    struct Waiting {
        BusMessage call;
        bool needs_user = false;
        std::size_t weight = 1; ///< as how many calls it counts
        std::function<int(sd_bus_message*, Caller&)> serve;
    };

    Callers* owner_;
    std::deque<Waiting> waiting_; ///< calls, the first one first
    std::size_t weight_ = 0;      ///< of these
    bool in_turn_ = false;        ///< it is in Callers::turn_
    std::size_t refusals_ = 0;    ///< in a row
    std::size_t at_once_ = 0;     ///< bytes of answers since all was sent, without those in turn
    BusSlot lookup_;
};

/// Everybody who calls, and whose turn it is.
///
/// All that is sent goes through one socket, which the bus empties at its leisure. So that nobody
/// has to wait behind all that somebody else asks for, a call is served only when what was sent
/// before is on its way, and the next one is that of the caller with the least to read, among those
/// at hand and some that the bus has. Who has too much waiting, or has not read what he got, is
/// refused, and then ignored.
class Callers {
public:
    using Serve = std::function<int(sd_bus_message*, Caller&)>;
    struct Hooks {
        /// The connection is gone; the caller is removed after that.
        std::function<void(Caller&)> gone;
        /// It can be sent something again.
        std::function<void(Caller&)> has_read;
        /// The bus does not answer.
        std::function<void()> stuck;
    };

    /// The bus and the loop have to outlive the result.
    Callers(sd_bus* bus, sd_event* loop, const BusLimits& limits, Hooks hooks);
    Callers(const Callers&) = delete;
    Callers& operator=(const Callers&) = delete;
    ~Callers();

    /// To be asked for every method call before anything else. Charges the caller for it. True if
    /// it is to be served; otherwise it has been answered or is to be forgotten.
    bool admit(sd_bus_message* call);

    /// Lets an admitted call be served by `serve` when it is its turn, perhaps at once. The call is
    /// kept until then: its arguments have to be read before, so that it is known to be small;
    /// where there are more of them, it is refused. Returns what a method handler of sd-bus
    /// returns.
    int serve(sd_bus_message* call, Serve serve) {
        return enqueue(call, false, 0, std::move(serve));
    }
    /// The same for a call that may be larger: so many bytes are kept of its arguments.
    int serve(sd_bus_message* call, std::size_t bytes, Serve serve) {
        return enqueue(call, false, bytes, std::move(serve));
    }
    /// The same when Caller::uid() is known.
    int serve_user(sd_bus_message* call, Serve serve) {
        return enqueue(call, true, 0, std::move(serve));
    }

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

    /// True if a signal can be sent to it.
    [[nodiscard]] bool has_room(const Caller& caller) const;
    /// Sends a message of about `size` bytes to this caller. Returns a negative errno if it could
    /// not be queued.
    int send(Caller& caller, sd_bus_message* message, std::size_t size);
    /// Whether a signal to everybody can be sent, of about `size` bytes; charges for it.
    bool admit_broadcast(std::size_t size);

    [[nodiscard]] sd_bus* bus() const { return bus_; }

private:
    int on_gone(sd_bus_message* signal, sd_bus_error*);
    static int on_uid(sd_bus_message* reply, void* userdata, sd_bus_error*) noexcept;
    static int on_turn(sd_event_source*, std::uint64_t usec, void* self) noexcept;
    static int on_something(sd_event_source*, void* self) noexcept;

    void on_read(Caller& caller);
    Caller* find(const char* name);
    Caller* add(const char* name);
    void remove(const std::string& name);
    void look_up(Caller& caller);
    int enqueue(sd_bus_message* call, bool needs_user, std::size_t bytes, Serve serve);
    void refuse(sd_bus_message* call, Caller& caller);
    void set_turn(Caller& caller);
    std::vector<Caller*>::iterator next_in_turn();
    /// From the event loop alone, since it takes messages from the bus.
    void serve_in_turn();
    void take_first();
    void serve_next(Caller& caller);
    void schedule();
    [[nodiscard]] bool is_below(const Caller& caller, std::size_t times) const {
        return unread_.is_below(caller, times) && unread_.is_user_below(caller, times);
    }
    [[nodiscard]] std::uint64_t unsent() const;

    sd_bus* bus_;
    sd_event* loop_;
    BusLimits limits_;
    Hooks hooks_;
    UnreadBytes unread_;
    BusSlot disconnects_; ///< while there is a caller
    std::unordered_map<std::string, std::unique_ptr<Caller>> callers_;
    std::vector<Caller*> turn_;   ///< those with a call that can be served
    std::size_t waiting_ = 0;     ///< weight of the calls of all callers
    EventSource next_turn_;       ///< in the next turn of the loop
    EventSource after_something_; ///< after anything, such as that the bus has taken something
    std::uint64_t refusal_told_usec_ = 0;
};

} // namespace rseq::daemon
