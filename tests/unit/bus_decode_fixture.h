// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include "cli/bus_decode.h"
#include "cli/message_reader.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstdarg>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace rseq::cli {

template <class T>
int code_of(const Result<T>& result) {
    return result ? 0 : result.error().code;
}

/// Makes messages, of a connection whose other end nobody reads.
class BusDecode : public testing::Test {
protected:
    void SetUp() override {
        std::array<int, 2> ends{};
        ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends.data()), 0);
        other_end_ = ends[1];
        ASSERT_GE(sd_bus_new(&bus_), 0);
        ASSERT_GE(sd_bus_set_fd(bus_, ends[0], ends[0]), 0);
        ASSERT_GE(sd_bus_start(bus_), 0);
    }
    void TearDown() override {
        sd_bus_close_unref(bus_);
        ::close(other_end_);
    }

    Message empty() {
        sd_bus_message* message = nullptr;
        EXPECT_GE(sd_bus_message_new_signal(bus_, &message, "/o", "i.i", "M"), 0);
        return Message(message);
    }

    /// As it would be read by the receiver.
    static Message sealed(Message message) {
        EXPECT_GE(sd_bus_message_seal(message.get(), 1, 0), 0);
        EXPECT_GE(sd_bus_message_rewind(message.get(), 1), 0);
        return message;
    }

    Message message(const char* types, ...) {
        Message made = empty();
        std::va_list arguments;
        va_start(arguments, types);
        EXPECT_GE(sd_bus_message_appendv(made.get(), types, arguments), 0);
        va_end(arguments);
        return sealed(std::move(made));
    }

    struct ProcessRow {
        std::uint32_t pid = 42;
        std::string comm = "mongod";
        std::string cgroup = "/system.slice/mongod.service";
        std::string unit = "mongod.service";
        std::string mode = "v1";
        std::string slice = "unavailable";
        std::array<std::uint32_t, 4> threads{2, 0, 1, 0};
        std::string policy = "legacy deny";
        std::string source = "procfs";
        std::string compliance = "no";
    };

    Message processes(const std::vector<ProcessRow>& rows) {
        Message made = empty();
        sd_bus_message* m = made.get();
        sd_bus_message_open_container(m, 'a', "(utbayaysss(uuuu)susss)");
        for (const ProcessRow& row : rows) {
            sd_bus_message_open_container(m, 'r', "utbayaysss(uuuu)susss");
            sd_bus_message_append(m, "utb", row.pid, std::uint64_t{900}, 0);
            sd_bus_message_append_array(m, 'y', row.comm.data(), row.comm.size());
            sd_bus_message_append_array(m, 'y', row.cgroup.data(), row.cgroup.size());
            sd_bus_message_append(m, "sss", row.unit.c_str(), row.mode.c_str(), row.slice.c_str());
            sd_bus_message_append(m, "(uuuu)", row.threads[0], row.threads[1], row.threads[2],
                                  row.threads[3]);
            sd_bus_message_append(m, "susss", row.policy.c_str(), 7U, row.source.c_str(),
                                  row.compliance.c_str(), "started before the rule");
            sd_bus_message_close_container(m);
        }
        sd_bus_message_close_container(m);
        return sealed(std::move(made));
    }

    /// The only process of a reply with this row.
    snapshot::Process process(const ProcessRow& row) {
        const auto decoded = decode_processes(processes({row}).get());
        EXPECT_TRUE(decoded);
        EXPECT_EQ(decoded->size(), 1U);
        return decoded->at(0);
    }

    struct ThreadRow {
        std::uint32_t pid = 42;
        std::uint32_t tid = 42;
        const char* mode = "v1";
        std::uint32_t length = 32;
    };

    Message threads(const std::vector<ThreadRow>& rows) {
        Message made = empty();
        sd_bus_message_open_container(made.get(), 'a', "(uuaysus)");
        for (const ThreadRow& row : rows) {
            sd_bus_message_append(made.get(), "(uuaysus)", row.pid, row.tid, 1, 'x', row.mode,
                                  row.length, "unavailable");
        }
        sd_bus_message_close_container(made.get());
        return sealed(std::move(made));
    }

private:
    sd_bus* bus_ = nullptr;
    int other_end_ = -1;
};

} // namespace rseq::cli
