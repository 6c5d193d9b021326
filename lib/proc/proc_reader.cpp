// SPDX-License-Identifier: GPL-2.0-or-later
#include "proc/proc_reader.h"

#include "core/file.h"
#include "core/parse.h"
#include "proc/cgroup.h"
#include "proc/stat.h"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <memory>

namespace rseq::proc {

namespace {

// The kernel's own files are far smaller: the limits only stop a tree that pretends to be /proc.
constexpr std::size_t stat_limit = 4096;
constexpr std::size_t rseq_limit = 4096;
constexpr std::size_t cgroup_limit = 256UL * 1024;

struct CloseDir {
    void operator()(DIR* dir) const noexcept { ::closedir(dir); }
};

/// The entries of a directory whose names are positive numbers, in ascending order.
Result<std::vector<pid_t>> numbered_entries(int dir_fd, const char* path) {
    UniqueFd fd(::openat(dir_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!fd) {
        return fail_errno(std::string("cannot open ") + path);
    }
    const std::unique_ptr<DIR, CloseDir> dir(::fdopendir(fd.get()));
    if (!dir) {
        return fail_errno(std::string("cannot list ") + path);
    }
    static_cast<void>(fd.release()); // closedir() closes it
    std::vector<pid_t> numbers;
    for (;;) {
        errno = 0;
        const dirent* entry = ::readdir(dir.get());
        if (entry == nullptr) {
            if (errno != 0) {
                return fail_errno(std::string("cannot list ") + path);
            }
            break;
        }
        if (const auto number = parse_number<pid_t>(std::string_view(entry->d_name));
            number && *number > 0) {
            numbers.push_back(*number);
        }
    }
    // The kernel lists them in this order already; a tree of files does not.
    std::sort(numbers.begin(), numbers.end());
    return numbers;
}

} // namespace

Result<ProcessDir::Identity> ProcessDir::identity_in(const char* path) {
    if (auto read = read_file(dir_.get(), path, stat_limit, buffer_); !read) {
        return tl::unexpected<Error>(read.error());
    }
    return parse_stat(buffer_).map([](const Stat& stat) {
        return Identity{std::string(stat.comm), stat.kernel_thread, stat.exiting, stat.start_ticks,
                        stat.threads};
    });
}

Result<ProcessDir::Identity> ProcessDir::identity() {
    return identity_in("stat");
}

Result<ProcessDir::Identity> ProcessDir::thread_identity(pid_t tid) {
    return identity_in(("task/" + std::to_string(tid) + "/stat").c_str());
}

Result<std::string> ProcessDir::exe() const {
    std::string path(PATH_MAX, '\0');
    const ssize_t length = ::readlinkat(dir_.get(), "exe", path.data(), path.size());
    if (length < 0) {
        return fail_errno("cannot read exe");
    }
    path.resize(static_cast<std::size_t>(length));
    path.resize(without_removal_mark(path).size());
    return path;
}

Result<std::string> ProcessDir::cgroup() {
    if (auto read = read_file(dir_.get(), "cgroup", cgroup_limit, buffer_); !read) {
        return tl::unexpected<Error>(read.error());
    }
    return parse_cgroup(buffer_).map([](std::string_view path) { return std::string(path); });
}

Result<pid_t> ProcessDir::thread_group() {
    if (auto read = read_file(dir_.get(), "status", status_file_limit, buffer_); !read) {
        return tl::unexpected<Error>(read.error());
    }
    if (const auto tgid = parse_number<pid_t>(value_of_key(buffer_, "Tgid").value_or(""))) {
        return *tgid;
    }
    return fail(EPROTO, "status without a thread group");
}

Result<uid_t> ProcessDir::effective_uid() {
    if (auto read = read_file(dir_.get(), "status", status_file_limit, buffer_); !read) {
        return tl::unexpected<Error>(read.error());
    }
    // real, effective, saved, file system
    std::string_view rest = value_of_key(buffer_, "Uid").value_or("");
    take_until(rest, '\t');
    if (const auto uid = parse_number<uid_t>(take_until(rest, '\t'))) {
        return *uid;
    }
    return fail(EPROTO, "status without a user");
}

Result<std::vector<pid_t>> ProcessDir::threads() const {
    return numbered_entries(dir_.get(), "task");
}

Result<ProcessRseq> ProcessDir::rseq() {
    if (auto read = read_file(dir_.get(), "rseq", rseq_limit, buffer_); !read) {
        return tl::unexpected<Error>(read.error());
    }
    return parse_process_rseq(buffer_);
}

Result<ThreadRseq> ProcessDir::thread_rseq(pid_t tid) {
    const std::string path = "task/" + std::to_string(tid) + "/rseq";
    if (auto read = read_file(dir_.get(), path.c_str(), rseq_limit, buffer_); !read) {
        return tl::unexpected<Error>(read.error());
    }
    return parse_thread_rseq(buffer_);
}

Result<std::vector<pid_t>> ProcReader::processes() const {
    return numbered_entries(root_.get(), ".");
}

Result<ProcessDir> ProcReader::open(pid_t pid) const {
    const std::string path = std::to_string(pid);
    // Files are opened through it and nothing is read from itself, so the cheapest kind will do.
    UniqueFd dir(::openat(root_.get(), path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (!dir) {
        return fail_errno("cannot open /proc/" + path);
    }
    return ProcessDir(std::move(dir));
}

bool ProcReader::has_rseq_files() const {
    return ::faccessat(root_.get(), "self/rseq", F_OK, 0) == 0;
}

} // namespace rseq::proc
