// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/client.h"

#include "cli/output.h"

#include <poll.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <string_view>
#include <utility>

namespace rseq::cli {

namespace {

constexpr const char* bus_name = "org.rseqcompat1";
constexpr const char* object_path = "/org/rseqcompat1";
constexpr const char* manager = "org.rseqcompat1.Manager";
constexpr const char* driver = "org.freedesktop.DBus";

constexpr std::chrono::seconds local_limit{5};
/// ssh may ask for a password, or whether this is the right host: as long as sd-bus would wait.
constexpr std::chrono::seconds remote_connect_limit{90};
constexpr std::chrono::microseconds remote_call_limit{std::chrono::seconds{30}};
/// Somebody may have to find a password, and systemd to run all its generators.
constexpr std::chrono::minutes change_limit{10};

/// How many numbers are named in one call.
constexpr std::size_t most_pids = 1024;

/// The errno of is_absent(), which nothing else here fails with.
constexpr int absent = ENXIO;

struct BusError {
    sd_bus_error error = SD_BUS_ERROR_NULL;

    BusError() = default;
    BusError(const BusError&) = delete;
    BusError& operator=(const BusError&) = delete;
    ~BusError() { sd_bus_error_free(&error); }

    [[nodiscard]] bool is(const char* name) const {
        return sd_bus_error_has_name(&error, name) > 0;
    }
    /// The words of the other side, if they say more than the errno; not more than a few lines.
    [[nodiscard]] std::string words(int code) const {
        constexpr std::size_t limit = 500;
        const std::string_view message = error.message == nullptr ? "" : error.message;
        if (message.empty() || message == std::strerror(code)) {
            return {};
        }
        return " (" + std::string(message.substr(0, limit)) + ")";
    }
    /// Of a change: the errno, by the names that have one of their own.
    [[nodiscard]] int code(int code) const {
        return is("org.rseqcompat1.Error.BadConfiguration")          ? EINVAL
               : is("org.rseqcompat1.Error.NoSuchPolicy")            ? ENOENT
               : is("org.rseqcompat1.Error.PolicyConflict")          ? EEXIST
               : is(SD_BUS_ERROR_ACCESS_DENIED)                      ? EACCES
               : is(SD_BUS_ERROR_INTERACTIVE_AUTHORIZATION_REQUIRED) ? EACCES
                                                                     : code;
    }
    /// Of a change: what the daemon says is whole. That of others begins with who was asked.
    [[nodiscard]] std::string text(const std::string& asked, int code) const {
        constexpr std::size_t limit = 65536; // all errors of all files
        const bool is_its_own = error.message != nullptr && *error.message != 0 &&
                                !is(SD_BUS_ERROR_NO_REPLY) && !is(SD_BUS_ERROR_TIMEOUT) &&
                                !is(SD_BUS_ERROR_SERVICE_UNKNOWN) &&
                                !is(SD_BUS_ERROR_NAME_HAS_NO_OWNER);
        return is_its_own ? std::string(std::string_view(error.message).substr(0, limit))
                          : Error{code, "cannot ask " + asked}.message();
    }
};

bool is_signal(sd_bus_message* message, std::string_view sender, const char* interface,
               const char* member) {
    const char* from = sd_bus_message_get_sender(message);
    return from != nullptr && sender == from &&
           sd_bus_message_is_signal(message, interface, member) > 0;
}

} // namespace

bool is_absent(const Error& error) {
    return error.code == absent;
}

std::string only_root_can(std::string_view what) {
    return "rseq-compatd is not running; 'systemctl start rseq-compatd' starts it, and without it "
           "only root can " +
           std::string(what);
}

Client::Client(sd_bus* bus, const std::string& host)
    : bus_(bus), where_(host.empty() ? "" : " on " + host),
      deadline_(Clock::now() + (host.empty() ? local_limit : remote_connect_limit)) {}

Result<Client> Client::connect(const std::string& host) {
    sd_bus* bus = nullptr;
    const int opened =
        host.empty() ? sd_bus_open_system(&bus) : sd_bus_open_system_remote(&bus, host.c_str());
    Client client(bus, host);
    if (host.empty() && (opened == -ENOENT || opened == -ECONNREFUSED)) {
        return fail(absent, "there is no system bus");
    }
    if (opened < 0) {
        return fail(-opened, "cannot reach the system bus" + client.where_);
    }
    return client.wait_until_ready().and_then([&] { return client.introduce(); }).map([&] {
        return std::move(client);
    });
}

std::uint64_t Client::usec_left() const {
    const auto left = std::chrono::duration_cast<std::chrono::microseconds>(
        where_.empty() ? deadline_ - Clock::now() : remote_call_limit);
    return static_cast<std::uint64_t>(std::max<std::int64_t>(left.count(), 1));
}

/// sd_bus_call() would let the bus take its time to let us in.
Result<void> Client::wait_until_ready() {
    for (;;) {
        int done = sd_bus_is_ready(bus_.get());
        if (done > 0) {
            return {};
        }
        done = done < 0 ? done : sd_bus_process(bus_.get(), nullptr);
        if (done == 0) {
            const auto left =
                std::chrono::duration_cast<std::chrono::microseconds>(deadline_ - Clock::now());
            done = left.count() <= 0
                       ? -ETIMEDOUT
                       : sd_bus_wait(bus_.get(), static_cast<std::uint64_t>(left.count()));
        }
        if (done < 0 && done != -EINTR) {
            return fail(-done, "cannot reach the system bus" + where_);
        }
    }
}

struct Client::Method {
    const char* destination;
    const char* path;
    const char* interface;
    const char* member;
};

Result<Message> Client::ask(const Method& method, const Append& append) {
    sd_bus_message* created = nullptr;
    int done = sd_bus_message_new_method_call(bus_.get(), &created, method.destination, method.path,
                                              method.interface, method.member);
    const Message call(created);
    done = done < 0 ? done : sd_bus_message_set_auto_start(created, 0);
    done = done < 0 ? done : append(created);

    BusError error;
    sd_bus_message* received = nullptr;
    done = done < 0 ? done : sd_bus_call(bus_.get(), created, usec_left(), &error.error, &received);
    Message reply(received);
    if (done >= 0) {
        return reply;
    }
    if (error.is(SD_BUS_ERROR_SERVICE_UNKNOWN) || error.is(SD_BUS_ERROR_NAME_HAS_NO_OWNER) ||
        error.is(SD_BUS_ERROR_NO_REPLY)) {
        return owner_.empty() ? fail(absent, name() + " is not running")
                              : fail(ECONNRESET, name() + " has ended");
    }
    if (error.is("org.rseqcompat1.Error.NoSuchProcess")) {
        return fail(ESRCH, "a process" + where_);
    }
    return fail(-done, "cannot ask " + name() + error.words(-done));
}

Result<Message> Client::call(const char* member, const Append& append) {
    return ask({owner_.c_str(), object_path, manager, member}, append);
}

Result<Message> Client::change(const char* member, const Append& append) {
    sd_bus_message* created = nullptr;
    int done = sd_bus_message_new_method_call(bus_.get(), &created, owner_.c_str(), object_path,
                                              manager, member);
    const Message call(created);
    done = done < 0 ? done : sd_bus_message_set_auto_start(created, 0);
    done = done < 0 ? done : sd_bus_message_set_allow_interactive_authorization(created, 1);
    done = done < 0 ? done : append(created);
    BusError error;
    sd_bus_message* received = nullptr;
    const auto limit = static_cast<std::uint64_t>(
        std::chrono::duration_cast<std::chrono::microseconds>(change_limit).count());
    done = done < 0 ? done : sd_bus_call(bus_.get(), created, limit, &error.error, &received);
    Message reply(received);
    if (done >= 0) {
        return reply;
    }
    return fail(error.code(-done), error.text(name(), -done));
}

/// Learns who has the daemon's name, and what the daemon says of itself.
Result<void> Client::introduce() {
    auto reply =
        ask({bus_name, object_path, "org.freedesktop.DBus.Properties", "GetAll"},
            [](sd_bus_message* call) { return sd_bus_message_append_basic(call, 's', manager); });
    if (!reply) {
        return tl::unexpected<Error>(std::move(reply.error()));
    }
    const char* sender = sd_bus_message_get_sender(reply->get());
    owner_ = sender == nullptr ? "" : sender;
    return decode_properties(reply->get()).map([&](DaemonFacts facts) {
        facts_ = std::move(facts);
    });
}

Result<snapshot::Snapshot> Client::snapshot(bool threads, bool kernel_threads) {
    auto processes =
        call("ListProcesses", [&](sd_bus_message* call) {
            return sd_bus_message_append(call, "a{sv}", 1, "kernel_threads", "b",
                                         static_cast<int>(kernel_threads));
        }).and_then([](const Message& reply) { return decode_processes(reply.get()); });
    if (!processes) {
        return tl::unexpected<Error>(std::move(processes.error()));
    }
    snapshot::Snapshot snapshot{std::move(*processes), facts_.unknown_reason};
    if (!threads) {
        return snapshot;
    }
    // No number means all processes, without the kernel's own threads.
    std::vector<std::uint32_t> pids;
    auto added = add_threads(pids, snapshot.processes);
    for (const snapshot::Process& process : snapshot.processes) {
        if (added && process.kernel_thread) {
            pids.push_back(static_cast<std::uint32_t>(process.key.pid));
        }
    }
    for (std::size_t at = 0; added && at < pids.size(); at += most_pids) {
        added = add_threads(std::span(pids).subspan(at, std::min(most_pids, pids.size() - at)),
                            snapshot.processes);
    }
    settle_threads(snapshot.processes);
    return added.map([&] { return std::move(snapshot); });
}

Result<void> Client::add_threads(std::span<const std::uint32_t> pids,
                                 std::vector<snapshot::Process>& processes) {
    return call("ListThreads",
                [&](sd_bus_message* call) {
                    return sd_bus_message_append_array(call, 'u', pids.data(), pids.size_bytes());
                })
        .and_then([&](const Message& reply) { return decode_threads(reply.get(), processes); });
}

Result<ProcessDetails> Client::details(pid_t pid) {
    return call("GetProcess",
                [&](sd_bus_message* call) {
                    return sd_bus_message_append(call, "u", static_cast<std::uint32_t>(pid));
                })
        .and_then([](const Message& reply) { return decode_details(reply.get()); });
}

Result<std::vector<Killed>> Client::violations() {
    return call("ListViolations", [](sd_bus_message*) { return 0; })
        .and_then([](const Message& reply) { return decode_violations(reply.get()); });
}

Result<void> Client::check_process(pid_t pid) {
    return call("GetProcess",
                [&](sd_bus_message* call) {
                    return sd_bus_message_append(call, "u", static_cast<std::uint32_t>(pid));
                })
        .map([](const Message&) {})
        .map_error([&](Error error) {
            return error.code == ESRCH ? Error{ESRCH, "process " + std::to_string(pid) + where_}
                                       : std::move(error);
        });
}

Result<void> Client::subscribe(const std::vector<EventKind>& kinds) {
    // Before the subscription: the daemon may end at any time after it.
    const std::string rule = std::string("type='signal',sender='") + driver + "',interface='" +
                             driver + "',member='NameOwnerChanged',arg0='" + bus_name + "'";
    return ask({driver, "/org/freedesktop/DBus", driver, "AddMatch"},
               [&](sd_bus_message* call) {
                   return sd_bus_message_append_basic(call, 's', rule.c_str());
               })
        .and_then([&](const Message&) {
            return call("Subscribe", [&](sd_bus_message* call) {
                int done = sd_bus_message_open_container(call, 'a', "s");
                for (const EventKind kind : kinds) {
                    const std::string word(to_string(kind));
                    done = done < 0 ? done : sd_bus_message_append_basic(call, 's', word.c_str());
                }
                return done < 0 ? done : sd_bus_message_close_container(call);
            });
        })
        .map([](const Message&) {});
}

/// Nothing if the message is none of those that a subscriber waits for. Anybody can send us signals
/// that look like the daemon's.
Result<std::optional<Notice>> Client::read(sd_bus_message* message) {
    if (is_signal(message, owner_, manager, "Event")) {
        return decode_event(message).map([](std::optional<BusEvent> event) {
            return event ? std::optional<Notice>(std::move(*event)) : std::nullopt;
        });
    }
    if (is_signal(message, owner_, manager, "EventsLost")) {
        return decode_lost(message).map(
            [](const EventsLost& lost) { return std::optional<Notice>(lost); });
    }
    if (is_signal(message, driver, driver, "NameOwnerChanged")) {
        const char* name = nullptr;
        const char* before = nullptr;
        const char* after = nullptr;
        if (sd_bus_message_read(message, "sss", &name, &before, &after) > 0 &&
            std::string_view(name) == bus_name && before == owner_) {
            return std::optional<Notice>(DaemonGone());
        }
    }
    return std::optional<Notice>();
}

Result<Notice> Client::next(int output) {
    for (;;) {
        sd_bus_message* received = nullptr;
        const int done = sd_bus_process(bus_.get(), &received);
        const Message message(received);
        if (done < 0) {
            return fail(-done, "the connection to " + name() + " has ended");
        }
        if (message) {
            auto notice = read(message.get());
            if (!notice) {
                return tl::unexpected<Error>(std::move(notice.error()));
            }
            if (*notice) {
                return std::move(**notice);
            }
        }
        if (done > 0) {
            continue;
        }
        std::array<pollfd, 2> watched{
            {{sd_bus_get_fd(bus_.get()), static_cast<short>(sd_bus_get_events(bus_.get())), 0},
             {output, 0, 0}}};
        if (::poll(watched.data(), watched.size(), -1) < 0 && errno != EINTR) {
            return fail_errno("cannot wait for " + name());
        }
        if (watched[1].revents != 0) { // an error, a hangup, or not open at all
            return OutputClosed();
        }
    }
}

Result<std::optional<Client>> reach(const std::string& host, bool reading) {
    auto client = Client::connect(host);
    if (client) {
        return std::optional<Client>(std::move(*client));
    }
    const bool is_nobody = is_absent(client.error());
    const std::string why = is_nobody ? client.error().context : client.error().message();
    if (!host.empty() || (!is_nobody && !reading)) {
        return fail(client.error().code, why);
    }
    if (!is_nobody) {
        print_error(why + "; reading files and kernel directly");
    }
    return std::optional<Client>();
}

} // namespace rseq::cli
