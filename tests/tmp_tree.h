// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include "core/file.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

namespace rseq::test {

/// A temporary directory that a test fills with what it wants to be read; removed at the end. Paths
/// are relative to it, and the directories that lead to them are made.
class TmpTree {
public:
    TmpTree() {
        // In memory where there is such a place: a tree of 32,768 threads takes a disk a minute.
        const char* const place = ::access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
        std::string pattern = std::string(place) + "/rseq-test-XXXXXX";
        if (::mkdtemp(pattern.data()) == nullptr) {
            throw std::system_error(errno, std::generic_category(), pattern);
        }
        root_ = pattern;
    }
    ~TmpTree() {
        std::error_code ignored;
        std::filesystem::remove_all(root_, ignored);
    }
    TmpTree(const TmpTree&) = delete;
    TmpTree& operator=(const TmpTree&) = delete;

    [[nodiscard]] std::string path(const std::string& name = ".") const {
        return (root_ / name).string();
    }

    void directory(const std::string& name) { std::filesystem::create_directories(root_ / name); }

    void file(const std::string& name, std::string_view content) {
        make_parent(name);
        std::ofstream stream(root_ / name, std::ios::binary);
        stream << content;
        stream.close();
        if (!stream) {
            throw std::system_error(errno, std::generic_category(), name);
        }
    }

    void symlink(const std::string& name, const std::string& target) {
        make_parent(name);
        std::filesystem::create_symlink(target, root_ / name);
    }

    void fifo(const std::string& name) {
        make_parent(name);
        if (::mkfifo((root_ / name).c_str(), 0600) != 0) {
            throw std::system_error(errno, std::generic_category(), name);
        }
    }

    void remove(const std::string& name) { std::filesystem::remove_all(root_ / name); }

    /// The tree as a reader takes it.
    [[nodiscard]] UniqueFd open() const {
        auto fd = open_directory(root_.string());
        if (!fd) {
            throw std::system_error(fd.error().code, std::generic_category(), fd.error().context);
        }
        return std::move(*fd);
    }

private:
    void make_parent(const std::string& name) {
        std::filesystem::create_directories((root_ / name).parent_path());
    }

    std::filesystem::path root_;
};

} // namespace rseq::test
