// SPDX-License-Identifier: GPL-2.0-or-later
#include "core/file.h"

#include <fcntl.h>
#include <sys/random.h>
#include <sys/stat.h>

#include <array>
#include <cerrno>
#include <cstdint>

namespace rseq {

namespace {

/// A name beside `name` that nobody else uses; mkostemp(3) knows no directory descriptors.
std::string temporary_name(const std::string& name) {
    constexpr std::string_view letters = "abcdefghijklmnopqrstuvwxyz012345";
    std::array<std::uint8_t, 6> random{};
    static_cast<void>(::getrandom(random.data(), random.size(), 0));
    std::string result = "." + name + ".";
    for (const std::uint8_t byte : random) {
        result += letters[byte % letters.size()];
    }
    return result;
}

bool write_whole(int fd, std::string_view text) {
    while (!text.empty()) {
        const ssize_t n = ::write(fd, text.data(), text.size());
        if (n < 0 && errno != EINTR) {
            return false;
        }
        text.remove_prefix(n < 0 ? 0 : static_cast<std::size_t>(n));
    }
    return true;
}

} // namespace

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

Result<void> replace_file(int dir_fd, const std::string& name, std::string_view text, mode_t mode) {
    const std::string temporary = temporary_name(name);
    UniqueFd fd(::openat(dir_fd, temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC,
                         S_IRUSR | S_IWUSR));
    if (!fd) {
        return fail_errno("cannot make a file beside " + name);
    }
    // The mode is set apart from the creation so that the umask has no say in it.
    if (!write_whole(fd.get(), text) || ::fchmod(fd.get(), mode) != 0 || ::fsync(fd.get()) != 0 ||
        ::renameat(dir_fd, temporary.c_str(), dir_fd, name.c_str()) != 0) {
        const int code = errno;
        ::unlinkat(dir_fd, temporary.c_str(), 0);
        return fail(code, "cannot write " + name);
    }
    if (::fsync(dir_fd) != 0) {
        return fail_errno("cannot make the new " + name + " safe");
    }
    return {};
}

} // namespace rseq
