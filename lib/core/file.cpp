// SPDX-License-Identifier: GPL-2.0-or-later
#include "core/file.h"

#include <fcntl.h>

#include <array>
#include <cerrno>

namespace rseq {

Result<UniqueFd> open_directory(const std::string& path) {
    UniqueFd fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!fd) {
        return fail_errno("cannot open the directory " + path);
    }
    return fd;
}

Result<void> read_file(int dir_fd, const char* path, std::size_t limit, std::string& buffer) {
    UniqueFd fd(::openat(dir_fd, path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));
    if (!fd) {
        return fail_errno(std::string("cannot open ") + path);
    }
    buffer.clear();
    // Read here first: a string that makes room fills it with zeros, for every file anew.
    std::array<char, 4096> chunk;
    for (;;) {
        const ssize_t n = ::read(fd.get(), chunk.data(), chunk.size());
        if (n < 0) {
            if (errno == EINTR) {
                continue;
            }
            const int code = errno;
            buffer.clear();
            return fail(code, std::string("cannot read ") + path);
        }
        if (n == 0) {
            break;
        }
        buffer.append(chunk.data(), static_cast<std::size_t>(n));
        if (buffer.size() > limit) {
            buffer.clear();
            return fail(EFBIG, std::string("cannot read ") + path);
        }
    }
    return {};
}

Result<std::string> read_file(int dir_fd, const char* path, std::size_t limit) {
    std::string buffer;
    if (auto done = read_file(dir_fd, path, limit, buffer); !done) {
        return tl::unexpected<Error>(done.error());
    }
    return buffer;
}

} // namespace rseq
