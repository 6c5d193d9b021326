// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/bus_writer.h"

namespace rseq::daemon {

namespace {

/// The length of an array or a string, its end, and padding: a guess that is seldom too small.
constexpr std::size_t overhead = 8;

} // namespace

void BusWriter::note(int result, std::size_t size) {
    if (result < 0) {
        result_ = result;
    }
    size_ += size;
}

void BusWriter::basic(char type, const void* value, std::size_t size) {
    if (result_ == 0) {
        note(::sd_bus_message_append_basic(message_, type, value),
             type == SD_BUS_TYPE_STRING ? size + overhead : size);
    }
}

void BusWriter::boolean(bool value) {
    const int wide = value ? 1 : 0;
    basic('b', &wide, sizeof wide);
}

void BusWriter::bytes(std::string_view value) {
    if (result_ == 0) {
        note(::sd_bus_message_append_array(message_, 'y', value.data(), value.size()),
             value.size() + overhead);
    }
}

void BusWriter::open(char type, const char* contents) {
    if (result_ == 0) {
        note(::sd_bus_message_open_container(message_, type, contents), overhead / 2);
    }
}

void BusWriter::close() {
    if (result_ == 0) {
        note(::sd_bus_message_close_container(message_), 0);
    }
}

} // namespace rseq::daemon
