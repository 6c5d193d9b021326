// SPDX-License-Identifier: GPL-2.0-or-later
#include "core/slice_length.h"

#include "core/file.h"
#include "core/parse.h"
#include "core/unique_fd.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

namespace rseq {

Result<std::uint32_t> read_slice_length(const std::string& file) {
    constexpr std::size_t limit = 64;
    return read_file(AT_FDCWD, file.c_str(), limit)
        .and_then([&](std::string text) -> Result<std::uint32_t> {
            while (text.ends_with('\n')) {
                text.pop_back();
            }
            const auto value = parse_number<std::uint32_t>(text);
            return value ? Result<std::uint32_t>(*value)
                         : Result<std::uint32_t>(fail(EPROTO, file + " makes no sense"));
        });
}

Result<void> write_slice_length(std::uint32_t length_ns, const std::string& file) {
    const std::string text = std::to_string(length_ns);
    const UniqueFd fd(::open(file.c_str(), O_WRONLY | O_CLOEXEC));
    if (!fd || ::write(fd.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size())) {
        return fail_errno("cannot write " + file);
    }
    return {};
}

} // namespace rseq
