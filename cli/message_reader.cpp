// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/message_reader.h"

#include <cerrno>
#include <climits>
#include <cstring>
#include <utility>

namespace rseq::cli {

pid_t MessageReader::id() {
    const pid_t id = id_or_none();
    if (id == 0) {
        refuse();
    }
    return id;
}

pid_t MessageReader::id_or_none() {
    const std::uint32_t number = u32();
    if (number > INT_MAX) {
        refuse();
        return 0;
    }
    return static_cast<pid_t>(number);
}

std::string MessageReader::string(std::size_t limit) {
    const char* text = basic<const char*>('s');
    if (text == nullptr || ::strnlen(text, limit + 1) > limit) {
        refuse();
        return {};
    }
    return text;
}

std::optional<std::string> MessageReader::next_string(std::size_t limit) {
    if (!ok_ || sd_bus_message_at_end(message_, 0) != 0) {
        return std::nullopt;
    }
    std::string text = string(limit);
    return ok_ ? std::optional(std::move(text)) : std::nullopt;
}

std::string MessageReader::bytes(std::size_t limit) {
    const void* data = nullptr;
    std::size_t size = 0;
    // 0: the end of the array around it, which the caller was to look at first.
    if (!ok_ || sd_bus_message_read_array(message_, 'y', &data, &size) <= 0 || size > limit) {
        refuse();
        return {};
    }
    return size == 0 ? std::string() : std::string(static_cast<const char*>(data), size);
}

bool MessageReader::enter(char type, const char* contents) {
    const int entered = ok_ ? sd_bus_message_enter_container(message_, type, contents) : 0;
    if (entered < 0) {
        refuse();
    }
    return entered > 0;
}

void MessageReader::leave() {
    if (ok_ && sd_bus_message_exit_container(message_) < 0) {
        refuse();
    }
}

void MessageReader::skip(const char* type) {
    if (ok_ && sd_bus_message_skip(message_, type) <= 0) {
        refuse();
    }
}

void MessageReader::refuse() {
    ok_ = false;
}

void read_members(MessageReader& in, const MemberReader& read) {
    constexpr std::size_t name_limit = 256;
    if (!in.enter('a', "{sv}")) {
        in.refuse();
        return;
    }
    while (in.enter('e', "sv")) {
        const std::string name = in.string(name_limit);
        if (!read(name, in)) {
            in.skip("v");
        }
        in.leave();
    }
    in.leave();
}

Result<void> check_types(sd_bus_message* message, const std::string& types,
                         const std::string& what) {
    if (sd_bus_message_has_signature(message, types.c_str()) > 0) {
        return {};
    }
    return fail(EPROTO, what + " has other types than documented");
}

std::string array_of(const std::string& members) {
    return "a(" + members + ")";
}

Result<void> MessageReader::finish(const std::string& what) const {
    if (!ok_) {
        return fail(EPROTO, what + " makes no sense");
    }
    return {};
}

} // namespace rseq::cli
