// SPDX-License-Identifier: GPL-2.0-or-later
#include "core/file.h"

#include <fcntl.h>

#include <algorithm>
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
    constexpr std::size_t first_chunk = 4096;

    UniqueFd fd(::openat(dir_fd, path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));
    if (!fd) {
        return fail_errno(std::string("cannot open ") + path);
    }
    // One byte more than the limit, so that a file of exactly the limit is told from a longer one.
    const std::size_t most = limit + 1;
    std::size_t used = 0;
    buffer.resize(std::min(most, std::max(first_chunk, buffer.capacity())));
    for (;;) {
        const ssize_t n = ::read(fd.get(), buffer.data() + used, buffer.size() - used);
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
        used += static_cast<std::size_t>(n);
        if (used > limit) {
            buffer.clear();
            return fail(EFBIG, std::string("cannot read ") + path);
        }
        if (used == buffer.size()) {
            buffer.resize(std::min(most, buffer.size() * 2));
        }
    }
    buffer.resize(used);
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
