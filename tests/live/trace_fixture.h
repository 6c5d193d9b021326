// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include "core/event.h"
#include "tmp_tree.h"
#include "trace/reader.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/mount.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace rseq::test {

inline std::string content(const std::string& path) {
    std::ifstream stream(path);
    return {std::istreambuf_iterator<char>(stream), {}};
}

inline bool write_to(const std::string& path, const std::string& text) {
    std::ofstream stream(path);
    stream << text << std::flush;
    return stream.good();
}

/// The trace reader on the running kernel, with an instance of the test's own. Other processes of
/// the machine are seen too, so every test looks for its own.
class TraceTest : public testing::Test {
protected:
    void SetUp() override {
        if (geteuid() != 0) {
            GTEST_SKIP() << "SKIPPED: needs root";
        }
        // A mount of its own shows the same instances as any other.
        if (::mount("tracefs", tree_.path().c_str(), "tracefs", 0, nullptr) != 0) {
            GTEST_SKIP() << "SKIPPED: cannot mount tracefs: " << std::strerror(errno);
        }
        mounted_ = true;
        options_.instance.tracefs = tree_.path();
        options_.instance.name = "rseq-test-" + std::to_string(getpid());
        options_.instance.buffer_kib = 1024;
        instance_ = tree_.path("instances/" + options_.instance.name);
    }

    void TearDown() override {
        reader_.reset();
        if (mounted_) {
            EXPECT_FALSE(std::filesystem::exists(instance_)) << "left behind";
            ::rmdir(instance_.c_str());
            EXPECT_EQ(::umount(tree_.path().c_str()), 0) << std::strerror(errno);
        }
    }

    void open() {
        auto opened = trace::Reader::open(options_);
        ASSERT_TRUE(opened) << opened.error().message();
        reader_.emplace(std::move(*opened));
    }

    /// Waits for something to read, at most this long.
    bool readable(int milliseconds) const {
        pollfd wanted{.fd = reader_->fd(), .events = POLLIN, .revents = 0};
        return ::poll(&wanted, 1, milliseconds) == 1;
    }

    void drain() {
        auto drained = reader_->drain();
        ASSERT_TRUE(drained) << drained.error().message();
        lost_ += drained->lost;
        std::move(drained->events.begin(), drained->events.end(), std::back_inserter(events_));
    }

    /// As a daemon does: sleeps until there is something, or until what was held back is old
    /// enough.
    template <class Condition>
    bool listen_until(Condition condition) {
        const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(60);
        while (!condition()) {
            if (std::chrono::steady_clock::now() > end) {
                return false;
            }
            readable(reader_->pending() ? 1 : 50);
            drain();
        }
        return true;
    }

    /// Where the first event of this kind is that fits; nothing if there is none.
    template <class Payload, class Fits>
    std::optional<std::size_t> find(Fits fits) const {
        for (std::size_t i = 0; i < events_.size(); ++i) {
            const auto* payload = std::get_if<Payload>(&events_[i].payload);
            if (payload != nullptr && fits(events_[i], *payload)) {
                return i;
            }
        }
        return std::nullopt;
    }
    std::optional<std::size_t> start_of(pid_t tid) const {
        return find<event::ThreadStarted>(
            [tid](const Event&, const auto& started) { return started.tid == tid; });
    }
    std::optional<std::size_t> exit_of(pid_t tid) const {
        return find<event::Exited>(
            [tid](const Event&, const auto& exited) { return exited.tid == tid; });
    }

    TmpTree tree_;
    bool mounted_ = false;
    trace::ReaderOptions options_;
    std::string instance_;
    std::optional<trace::Reader> reader_;
    std::vector<Event> events_;
    std::uint64_t lost_ = 0;
};

} // namespace rseq::test
