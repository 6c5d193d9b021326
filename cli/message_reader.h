// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include "core/result.h"

#include <systemd/sd-bus.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace rseq::cli {

struct MessageUnref {
    void operator()(sd_bus_message* message) const noexcept { sd_bus_message_unref(message); }
};
using Message = std::unique_ptr<sd_bus_message, MessageUnref>;

/// Reads a message that may be of anybody, one value after the other. The first value that is not
/// of the type asked for, or longer than allowed, ends the reading: from then on everything is
/// empty and no container can be entered, so that one look at finish() is enough.
class MessageReader {
public:
    /// `message` is borrowed.
    explicit MessageReader(sd_bus_message* message) : message_(message) {}

    std::uint8_t byte() { return basic<std::uint8_t>('y'); }
    std::uint32_t u32() { return basic<std::uint32_t>('u'); }
    std::int32_t i32() { return basic<std::int32_t>('i'); }
    std::uint64_t u64() { return basic<std::uint64_t>('t'); }
    bool boolean() { return basic<int>('b') != 0; }
    /// A process or thread ID, which is sent as `u` and has to be positive.
    pid_t id();
    /// The same where 0 is sent for one that is not known.
    pid_t id_or_none();
    /// A string `s`, of at most `limit` bytes.
    std::string string(std::size_t limit);
    /// The next one of an array of strings; nothing at its end, and after a failure.
    std::optional<std::string> next_string(std::size_t limit);
    /// An array of bytes `ay`, of at most `limit` bytes.
    std::string bytes(std::size_t limit);

    /// Enters the next element or container, `a`, `r`, `e` or `v`, with exactly these contents.
    /// False at the end of the array around it, and after a failure.
    bool enter(char type, const char* contents);
    /// Leaves it, read to its end.
    void leave();
    /// Passes over one value of this type.
    void skip(const char* type);
    /// Makes the message bad for a reason of the caller.
    void refuse();

    /// Fails with EPROTO if anything could not be read as it was asked for.
    [[nodiscard]] Result<void> finish(const std::string& what) const;

private:
    template <class T>
    T basic(char type) {
        T value{};
        if (ok_ && sd_bus_message_read_basic(message_, type, &value) <= 0) {
            ok_ = false;
        }
        return ok_ ? value : T{};
    }

    sd_bus_message* message_;
    bool ok_ = true;
};

/// Reads the value of one member; true if it knows the name.
using MemberReader = std::function<bool(std::string_view name, MessageReader& in)>;

/// Reads a{sv}, whose members may come in any order. Those that `read` does not know are passed
/// over.
void read_members(MessageReader& in, const MemberReader& read);

/// Reads a variant that has to hold this type.
template <class Read>
auto variant(MessageReader& in, const char* type, Read read) {
    if (!in.enter('v', type)) {
        in.refuse();
    }
    auto value = read(in);
    in.leave();
    return value;
}

inline std::string variant_string(MessageReader& in, std::size_t limit) {
    return variant(in, "s", [&](MessageReader& inner) { return inner.string(limit); });
}

inline std::uint32_t variant_u32(MessageReader& in) {
    return variant(in, "u", [](MessageReader& inner) { return inner.u32(); });
}

inline std::int32_t variant_i32(MessageReader& in) {
    return variant(in, "i", [](MessageReader& inner) { return inner.i32(); });
}

inline std::uint64_t variant_u64(MessageReader& in) {
    return variant(in, "t", [](MessageReader& inner) { return inner.u64(); });
}

/// Fails unless these are the types of the whole message: reading would not show what is beyond
/// them. `what` begins the error.
Result<void> check_types(sd_bus_message* message, const std::string& types,
                         const std::string& what);

/// The type of an array of structures with these members.
std::string array_of(const std::string& members);

/// Reads an array of structures with these members, one by one.
template <class Read>
void read_rows(MessageReader& in, const std::string& members, Read read) {
    if (!in.enter('a', ("(" + members + ")").c_str())) {
        in.refuse();
        return;
    }
    while (in.enter('r', members.c_str())) {
        read(in);
        in.leave();
    }
    in.leave();
}

} // namespace rseq::cli
