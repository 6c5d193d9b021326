// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include "core/result.h"
#include "core/unique_fd.h"

#include <sys/types.h>

#include <cstddef>
#include <string>
#include <string_view>

namespace rseq {

/// Opens a directory for use as the root of a reader, such as "/proc". Fails with open(2)'s errno.
Result<UniqueFd> open_directory(const std::string& path);

/// Enough for a /proc/PID/status: of its lines the longest has up to 65,536 numbers, of groups.
inline constexpr std::size_t status_file_limit = 1UL << 20;

/// Reads the whole file `path`, relative to `dir_fd`, into `buffer`, whose capacity is reused.
/// Fails with EFBIG if the file is longer than `limit` bytes, otherwise with the errno of openat(2)
/// or read(2). In /proc, ENOENT and ESRCH both mean that the process is gone.
Result<void> read_file(int dir_fd, const char* path, std::size_t limit, std::string& buffer);

/// The same, as a value.
Result<std::string> read_file(int dir_fd, const char* path, std::size_t limit);

/// Makes `text` the content of the file `name` in the directory, all of it or nothing: whoever
/// reads sees the old content or the new one, after a power failure too. A symbolic link is
/// replaced, not followed. `name` has no slash, and something by another name may be left behind
/// only if the process is killed meanwhile: `.NAME.` and six characters.
Result<void> replace_file(int dir_fd, const std::string& name, std::string_view text, mode_t mode);

} // namespace rseq
