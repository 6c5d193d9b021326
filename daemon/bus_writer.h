// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <systemd/sd-bus.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace rseq::daemon {

/// Appends values to a message. The first error is kept and ends it: what follows is ignored.
class BusWriter {
public:
    /// The message has to outlive the writer.
    explicit BusWriter(sd_bus_message* message) noexcept : message_(message) {}

    void u8(std::uint8_t value) { basic('y', &value, 1); }
    void i32(std::int32_t value) { basic('i', &value, sizeof value); }
    void u32(std::uint32_t value) { basic('u', &value, sizeof value); }
    void u64(std::uint64_t value) { basic('t', &value, sizeof value); }
    void boolean(bool value);
    /// Our own words, and texts that valid_utf8() made.
    void text(const std::string& value) { basic('s', value.c_str(), value.size()); }
    void text(std::string_view value) { text(std::string(value)); }
    void text(const char* value) { text(std::string_view(value)); }
    /// An `ay`.
    void bytes(std::string_view value);

    /// `type` is one of SD_BUS_TYPE_ARRAY, _STRUCT, _DICT_ENTRY, _VARIANT.
    void open(char type, const char* contents);
    void close();

    /// One entry of an `a{sv}`: `write()` appends the value, of type `signature`.
    template <class Write>
    void entry(const char* key, const char* signature, Write write) {
        open(SD_BUS_TYPE_DICT_ENTRY, "sv");
        text(key);
        open(SD_BUS_TYPE_VARIANT, signature);
        write();
        close();
        close();
    }

    /// 0, or the negative errno of what failed first.
    [[nodiscard]] int result() const noexcept { return result_; }
    /// About how many bytes were appended.
    [[nodiscard]] std::size_t size() const noexcept { return size_; }

private:
    void basic(char type, const void* value, std::size_t size);
    void note(int result, std::size_t size);

    sd_bus_message* message_;
    int result_ = 0;
    std::size_t size_ = 0;
};

} // namespace rseq::daemon
