// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include "daemon/bus_handles.h"
#include "daemon/bus_limits.h"
#include "daemon/event_source.h"

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <utility>

namespace rseq::daemon {

class UnreadBytes;

/// What was sent to one connection and may not have been read. To be forgotten before it ends.
class Account {
public:
    explicit Account(std::string name) : name_(std::move(name)) {}
    Account(const Account&) = delete;
    Account& operator=(const Account&) = delete;
    ~Account() = default;

    /// Unique name on the bus: never given to another connection.
    [[nodiscard]] const std::string& name() const { return name_; }
    /// Nothing until it is known.
    [[nodiscard]] const std::optional<uid_t>& uid() const { return uid_; }
    [[nodiscard]] bool is_root() const { return uid_ == 0U; }
    [[nodiscard]] std::size_t unread() const { return unread_; }

private:
    friend class UnreadBytes;

    std::string name_;
    std::optional<uid_t> uid_;
    std::size_t unread_ = 0;
    std::size_t fresh_ = 0; ///< those of them sent since the bus was last asked
    BusSlot query_;
    UnreadBytes* owner_ = nullptr; ///< while there are any
};

/// Counts what was sent to each connection, and asks the bus some time later how much of it is
/// still to be read (org.freedesktop.DBus.Debug.Stats).
///
/// dbus-daemon keeps what a connection does not read, counts it against the *sender*, and at 127
/// MiB stops reading from that sender: one client that asks and never reads would silence a service
/// for all. A bus that does not tell is trusted: dbus-broker ends connections that do not read.
class UnreadBytes {
public:
    struct Hooks {
        std::function<void(Account&)> gone;     ///< the bus does not know the connection any more
        std::function<void(Account&)> has_read; ///< some of it
        std::function<void()> stuck;            ///< the bus does not answer
    };

    /// The bus and the loop have to outlive the result.
    UnreadBytes(sd_bus* bus, sd_event* loop, const UnreadLimits& limits, Hooks hooks)
        : bus_(bus), loop_(loop), limits_(limits), hooks_(std::move(hooks)) {}
    UnreadBytes(const UnreadBytes&) = delete;
    UnreadBytes& operator=(const UnreadBytes&) = delete;
    ~UnreadBytes() = default;

    void charge(Account& account, std::size_t bytes);
    /// From now on it counts with those of its user.
    void set_user(Account& account, uid_t uid);
    void forget(Account& account);
    /// Whether less than so many times what is allowed is under way to it.
    [[nodiscard]] bool is_below(const Account& account, std::size_t times) const;

    /// Whether a signal to everybody can be sent, of about `size` bytes; charges for it.
    bool admit_broadcast(std::size_t size);

private:
    static int on_stats(sd_bus_message* reply, void* account, sd_bus_error*) noexcept;
    static int on_broadcast_stats(sd_bus_message* reply, void* self, sd_bus_error*) noexcept;
    static int on_tick(sd_event_source*, std::uint64_t, void* self) noexcept;

    void discharge(Account& account, std::size_t bytes);
    void ask(BusSlot& query, const char* name, sd_bus_message_handler_t handler, void* userdata);
    void take_answer(Account& account, sd_bus_message* reply);
    std::optional<std::size_t> read_stats(sd_bus_message* reply, const char* key);
    void trust_all();
    void tick();
    void arm(std::uint64_t usec);

    sd_bus* bus_;
    sd_event* loop_;
    UnreadLimits limits_;
    Hooks hooks_;
    EventSource timer_;
    std::uint64_t interval_usec_ = 0; ///< 0: the timer is off
    bool moved_ = false;              ///< something was read or sent since the last tick
    bool has_stats_ = true;

    std::unordered_set<Account*> accounts_;          ///< those to which something is under way
    std::unordered_map<uid_t, std::size_t> of_user_; ///< root is not in it
    std::size_t of_users_ = 0;                       ///< the sum of that
    std::size_t of_all_ = 0;                         ///< with root and those not known yet
    std::size_t broadcast_ = 0;
    std::size_t broadcast_fresh_ = 0;
    BusSlot broadcast_query_;
};

} // namespace rseq::daemon
