// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include "cli/bus_decode.h"
#include "cli/event.h"
#include "cli/message_reader.h"
#include "core/result.h"
#include "snapshot/snapshot.h"

#include <systemd/sd-bus.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace rseq::cli {

/// The daemon has ended, or has let go of its name.
struct DaemonGone {};
/// Nobody reads any more what is printed.
struct OutputClosed {};
/// What a subscriber waits for.
using Notice = std::variant<BusEvent, EventsLost, DaemonGone, OutputClosed>;

/// A connection to rseq-compatd (docs/DBUS.md), which is never started by it. On this machine all
/// that is asked has to be answered within five seconds of the connection. On another one, reached
/// by ssh, it takes as long as somebody may need to answer ssh's questions, and half a minute for
/// each call.
class Client {
public:
    /// Connects to the system bus of `host`, [USER@]HOST, of this machine if it is empty. See also
    /// is_absent().
    static Result<Client> connect(const std::string& host);

    /// "rseq-compatd" or "rseq-compatd on HOST".
    [[nodiscard]] std::string name() const { return "rseq-compatd" + where_; }
    [[nodiscard]] const DaemonFacts& facts() const { return facts_; }

    /// All processes, with their threads if these are wanted.
    Result<snapshot::Snapshot> snapshot(bool threads, bool kernel_threads);
    /// Fails with ESRCH if there is no such process.
    Result<void> check_process(pid_t pid);
    /// Appends the arguments of a call; a negative errno if that fails.
    using Append = std::function<int(sd_bus_message* call)>;
    /// Calls a method of the daemon that only reads.
    Result<Message> call(const char* member, const Append& append);
    /// Calls one that changes something. polkit may have a password asked for first, and systemd
    /// may read all of its files: this waits for minutes. The context of an error says all, in as
    /// many lines as the daemon has to say. Codes: EINVAL, ENOENT and EEXIST for the errors
    /// BadConfiguration, NoSuchPolicy and PolicyConflict, EACCES if polkit says no.
    Result<Message> change(const char* member, const Append& append);
    /// What is known of one process beside what snapshot() has. Fails with ESRCH as well.
    Result<ProcessDetails> details(pid_t pid);
    /// The last violations that the daemon saw, oldest first.
    Result<std::vector<Killed>> violations();
    /// From now on next() waits for events of these kinds.
    Result<void> subscribe(const std::vector<EventKind>& kinds);
    /// Waits without end, until `output` is closed at its other end too. Fails if the connection
    /// breaks, or if what comes makes no sense.
    Result<Notice> next(int output);

private:
    struct Close {
        void operator()(sd_bus* bus) const noexcept { sd_bus_close_unref(bus); }
    };
    using Clock = std::chrono::steady_clock;

    Client(sd_bus* bus, const std::string& host);

    [[nodiscard]] std::uint64_t usec_left() const;
    Result<void> wait_until_ready();
    Result<void> introduce();
    struct Method;
    Result<Message> ask(const Method& method, const Append& append);
    Result<void> add_threads(std::span<const std::uint32_t> pids,
                             std::vector<snapshot::Process>& processes);
    Result<std::optional<Notice>> read(sd_bus_message* message);

    std::unique_ptr<sd_bus, Close> bus_;
    std::string where_; ///< " on HOST", or nothing
    /// Of everything; on another machine of the connection alone.
    Clock::time_point deadline_;
    std::string owner_; ///< the daemon's unique name: answers of two daemons never get mixed
    DaemonFacts facts_;
};

/// True if connect() failed because nobody is there to be asked: no bus, or no daemon on it. The
/// context of the error says all then.
[[nodiscard]] bool is_absent(const Error& error);

/// The daemon, or nothing if nobody is there on this machine. `reading`: another failure on this
/// machine is said on stderr and means nothing too.
Result<std::optional<Client>> reach(const std::string& host, bool reading);

/// What to say if reach() found nobody, and somebody who is not root wants to do `what`.
std::string only_root_can(std::string_view what);

} // namespace rseq::cli
