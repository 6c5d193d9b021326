// SPDX-License-Identifier: GPL-2.0-or-later
/// Stands in for rseq-compatd on a bus of the tests, and answers whatever it is told to, right or
/// wrong. Commands are JSON, one in a line of standard input:
///
///   {"reply": MEMBER, "to": REPLY}  what calls of this method get from now on; "default" for
///   others
///   {"own": NAME}                   takes the name, and prints "ready"
///   {"release": NAME}               lets go of it
///   {"signal": MEMBER, "values": VALUES, "interface": I, "destination": D}
///                                   sends it, to the last subscriber unless a destination is given
///
/// REPLY is {"values": VALUES}, {"error": [NAME, TEXT]}, {"nothing": true} for no answer,
/// {"exit": true} or {"stop": true} to end or be stopped instead of answering. VALUES is
/// [SIGNATURE, [VALUE...]]; structures and arrays are arrays, dictionary entries too, a variant is
/// [SIGNATURE, VALUE]. Each call is printed as JSON: call, arguments, sender. Ends with its input.
#include <nlohmann/json.hpp>
#include <poll.h>
#include <systemd/sd-bus.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <stdexcept>
#include <string>
#include <string_view>

namespace {

using Json = nlohmann::json;

constexpr const char* object_path = "/org/rseqcompat1";
constexpr const char* manager = "org.rseqcompat1.Manager";

int check(int result, const char* what) {
    if (result < 0) {
        throw std::runtime_error(std::string(what) + ": " + std::strerror(-result));
    }
    return result;
}

/// Takes the first complete type off the signature.
std::string take_type(std::string_view& signature) {
    std::size_t length = 0;
    int depth = 0;
    bool complete = false;
    while (!complete) {
        const char c = signature.at(length++);
        depth += c == '(' || c == '{' ? 1 : 0;
        depth -= c == ')' || c == '}' ? 1 : 0;
        complete = depth == 0 && c != 'a'; // the element follows
    }
    const std::string type(signature.substr(0, length));
    signature.remove_prefix(length);
    return type;
}

void append(sd_bus_message* message, const std::string& type, const Json& value);

void append_all(sd_bus_message* message, std::string_view signature, const Json& values) {
    for (const Json& value : values) {
        append(message, take_type(signature), value);
    }
    if (!signature.empty()) {
        throw std::runtime_error("fewer values than types");
    }
}

template <class T>
void append_basic(sd_bus_message* message, char type, const T& value) {
    check(sd_bus_message_append_basic(message, type, &value), "append");
}

void append(sd_bus_message* message, const std::string& type, const Json& value) {
    const std::string inner = type.size() > 2 ? type.substr(1, type.size() - 2) : "";
    switch (type.front()) {
    case 'y':
        return append_basic(message, 'y', value.get<std::uint8_t>());
    case 'b':
        return append_basic(message, 'b', static_cast<int>(value.get<bool>()));
    case 'i':
        return append_basic(message, 'i', value.get<std::int32_t>());
    case 'u':
        return append_basic(message, 'u', value.get<std::uint32_t>());
    case 't':
        return append_basic(message, 't', value.get<std::uint64_t>());
    case 's':
        check(sd_bus_message_append_basic(message, 's', value.get<std::string>().c_str()),
              "append");
        return;
    case 'a': {
        const std::string element = type.substr(1);
        check(sd_bus_message_open_container(message, 'a', element.c_str()), "array");
        for (const Json& member : value) {
            append(message, element, member);
        }
        break;
    }
    case '(':
        check(sd_bus_message_open_container(message, 'r', inner.c_str()), "structure");
        append_all(message, inner, value);
        break;
    case '{':
        check(sd_bus_message_open_container(message, 'e', inner.c_str()), "entry");
        append_all(message, inner, value);
        break;
    case 'v': {
        const std::string signature = value.at(0);
        check(sd_bus_message_open_container(message, 'v', signature.c_str()), "variant");
        append(message, signature, value.at(1));
        break;
    }
    default:
        throw std::runtime_error("no such type: " + type);
    }
    check(sd_bus_message_close_container(message), "close");
}

/// The arguments of a call, of the types that rseqctl uses.
Json read_value(sd_bus_message* message) {
    char type = 0;
    const char* contents = nullptr;
    check(sd_bus_message_peek_type(message, &type, &contents), "peek");
    if (type == 's') {
        const char* text = nullptr;
        check(sd_bus_message_read_basic(message, 's', static_cast<void*>(&text)), "read");
        return text;
    }
    if (type == 'u') {
        std::uint32_t number = 0;
        check(sd_bus_message_read_basic(message, 'u', &number), "read");
        return number;
    }
    if (type == 'y') {
        std::uint8_t number = 0;
        check(sd_bus_message_read_basic(message, 'y', &number), "read");
        return number;
    }
    if (type == 'b') {
        int flag = 0;
        check(sd_bus_message_read_basic(message, 'b', &flag), "read");
        return flag != 0;
    }
    check(sd_bus_message_enter_container(message, type, contents), "enter");
    Json values = Json::array();
    while (sd_bus_message_at_end(message, 0) == 0) {
        values.push_back(read_value(message));
    }
    check(sd_bus_message_exit_container(message), "exit");
    return values;
}

class Fake {
public:
    Fake() { check(sd_bus_open_system(&bus_), "bus"); }
    Fake(const Fake&) = delete;
    Fake& operator=(const Fake&) = delete;
    ~Fake() { sd_bus_flush_close_unref(bus_); }

    void run() {
        std::string input;
        for (bool open = true; open;) {
            for (int done = 1; done > 0;) {
                sd_bus_message* message = nullptr;
                done = check(sd_bus_process(bus_, &message), "process");
                if (message != nullptr &&
                    sd_bus_message_is_method_call(message, nullptr, nullptr) > 0) {
                    answer(message);
                }
                sd_bus_message_unref(message);
            }
            std::array<pollfd, 2> watched{
                {{sd_bus_get_fd(bus_), static_cast<short>(sd_bus_get_events(bus_)), 0},
                 {STDIN_FILENO, POLLIN, 0}}};
            ::poll(watched.data(), watched.size(), -1);
            if (watched[1].revents != 0) {
                std::array<char, 65536> chunk{};
                const ssize_t size = ::read(STDIN_FILENO, chunk.data(), chunk.size());
                open = size > 0;
                input.append(chunk.data(), open ? static_cast<std::size_t>(size) : 0);
                for (std::size_t end = 0; (end = input.find('\n')) != std::string::npos;) {
                    obey(Json::parse(input.substr(0, end)));
                    input.erase(0, end + 1);
                }
            }
        }
    }

private:
    void obey(const Json& command) {
        if (command.contains("reply")) {
            replies_[command.at("reply")] = command.at("to");
        } else if (command.contains("own")) {
            check(sd_bus_request_name(bus_, command.at("own").get<std::string>().c_str(), 0),
                  "name");
            say("ready");
        } else if (command.contains("release")) {
            check(sd_bus_release_name(bus_, command.at("release").get<std::string>().c_str()),
                  "name");
        } else {
            signal(command);
        }
    }

    void signal(const Json& command) {
        sd_bus_message* message = nullptr;
        check(sd_bus_message_new_signal(bus_, &message, object_path,
                                        command.value("interface", manager).c_str(),
                                        command.at("signal").get<std::string>().c_str()),
              "signal");
        const std::string to = command.value("destination", subscriber_);
        check(sd_bus_message_set_destination(message, to.c_str()), "destination");
        append_all(message, command.at("values").at(0).get<std::string>(),
                   command.at("values").at(1));
        check(sd_bus_send(bus_, message, nullptr), "send");
        sd_bus_message_unref(message);
    }

    void answer(sd_bus_message* call) {
        const std::string member = sd_bus_message_get_member(call);
        Json arguments = Json::array();
        while (sd_bus_message_at_end(call, 1) == 0) {
            arguments.push_back(read_value(call));
        }
        if (member == "Subscribe") {
            subscriber_ = sd_bus_message_get_sender(call);
        }
        const auto found = replies_.find(member);
        const Json& reply = found == replies_.end() ? replies_["default"] : found->second;
        if (reply.contains("exit")) {
            std::_Exit(0);
        }
        say(Json({{"call", member},
                  {"arguments", arguments},
                  {"sender", sd_bus_message_get_sender(call)}})
                .dump());
        if (reply.contains("stop")) {
            ::raise(SIGSTOP);
        } else if (reply.contains("error")) {
            check(sd_bus_reply_method_errorf(call, reply["error"].at(0).get<std::string>().c_str(),
                                             "%s", reply["error"].at(1).get<std::string>().c_str()),
                  "error");
        } else if (reply.contains("values")) {
            sd_bus_message* message = nullptr;
            check(sd_bus_message_new_method_return(call, &message), "return");
            append_all(message, reply["values"].at(0).get<std::string>(), reply["values"].at(1));
            check(sd_bus_send(bus_, message, nullptr), "send");
            sd_bus_message_unref(message);
        }
    }

    static void say(const std::string& line) {
        std::puts(line.c_str());
        std::fflush(stdout);
    }

    sd_bus* bus_ = nullptr;
    std::string subscriber_;
    std::map<std::string, Json> replies_;
};

} // namespace

int main() {
    try {
        Fake().run();
    } catch (const std::exception& error) {
        std::fprintf(stderr, "fake_daemon: %s\n", error.what());
        return 1;
    }
    return 0;
}
