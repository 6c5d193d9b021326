// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include "registry/process.h"

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

/// Internal to lib/registry.
namespace rseq::registry {

inline std::string_view path_of(const std::string& program) {
    return program;
}
inline std::string_view path_of(const Cgroup& cgroup) {
    return cgroup.path;
}

/// A longer path is a long one.
inline constexpr std::size_t longest_ordinary_path = 512;

/// What belongs to a path, once for all processes that have it and no longer than one of them does,
/// and not more of it than fits into a number of bytes. Half of these are for long paths at most:
/// whoever makes many keeps no others out. Has to outlive what it gave.
template <class Value>
class PathTable {
public:
    explicit PathTable(std::size_t most_bytes) : most_bytes_(most_bytes) {}
    PathTable(const PathTable&) = delete;
    PathTable& operator=(const PathTable&) = delete;
    ~PathTable() = default;

    /// That of this path, by `make(path)` if nobody has it. Null if there is no room.
    template <class Make>
    std::shared_ptr<const Value> at(std::string_view path, const Make& make) {
        if (const auto known = values_.find(path); known != values_.end()) {
            return known->second.lock();
        }
        const std::size_t bytes = path.size() + bytes_beside;
        const bool is_long = path.size() > longest_ordinary_path;
        const std::size_t bytes_of_long = is_long ? bytes : 0;
        if (bytes > most_bytes_ - bytes_ || bytes_of_long > most_bytes_ / 2 - bytes_of_long_) {
            (is_long ? refused_long_ : refused_) = true;
            return nullptr;
        }
        auto made = std::make_unique<const Value>(make(path));
        bytes_ += bytes;
        bytes_of_long_ += bytes_of_long;
        const auto forget = [this, bytes, bytes_of_long](const Value* value) {
            values_.erase(path_of(*value));
            bytes_ -= bytes;
            bytes_of_long_ -= bytes_of_long;
            std::default_delete<const Value>()(value);
        };
        std::shared_ptr<const Value> added(made.release(), forget);
        values_.emplace(path_of(*added), added);
        return added;
    }

    [[nodiscard]] std::size_t bytes() const { return bytes_; }
    /// Whether there is much room now for what there was none for since start_over(). With a little
    /// room only, there would soon be none again.
    [[nodiscard]] bool could_have_more() const {
        return is_loose(bytes_, most_bytes_) &&
               (refused_ || (refused_long_ && is_loose(bytes_of_long_, most_bytes_ / 2)));
    }
    /// Whether there was none for something since start_over().
    [[nodiscard]] bool has_refused() const { return refused_ || refused_long_; }
    void start_over() { refused_ = refused_long_ = false; }

private:
    static bool is_loose(std::size_t bytes, std::size_t most) { return bytes < most - most / 16; }

    /// About what is kept beside the bytes of a path: the value, and its place in the table.
    static constexpr std::size_t bytes_beside = 256;

    std::size_t most_bytes_;
    std::size_t bytes_ = 0;
    std::size_t bytes_of_long_ = 0;
    bool refused_ = false;
    bool refused_long_ = false;
    /// By the paths in the values themselves. None has expired.
    std::unordered_map<std::string_view, std::weak_ptr<const Value>> values_;
};

} // namespace rseq::registry
