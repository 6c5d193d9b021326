// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include "config/diagnostic.h"
#include "core/result.h"

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

namespace rseq::config {

/// The file `name` in the strongest of the configuration folders below `root` that has it, as its
/// path. Nothing if none has.
[[nodiscard]] std::optional<std::string> find_file(const std::string& root, const std::string& name,
                                                   Diagnostics& diagnostics);

/// The files `folder`/*.yaml, each from the strongest configuration folder below `root` that has
/// it, in the order of their names. Files whose name begins with a dot and those with other endings
/// are left out; the ending `.yml` is reported, because whoever chose it expects it to be read.
[[nodiscard]] std::vector<std::string>
find_fragments(const std::string& root, const std::string& folder, Diagnostics& diagnostics);

/// Where a configuration is kept: /etc, or /run until the next boot.
enum class Lifetime { permanent, runtime };

/// The path of a folder that can be written, "policy.d" below ROOT/etc/rseq-compat, and that folder
/// made if it is not there.
[[nodiscard]] std::string folder_for(const std::string& root, Lifetime lifetime,
                                     const std::string& name);
Result<void> make_folder(const std::string& path);

/// The part of a path behind the last slash.
[[nodiscard]] std::string file_name(const std::string& path);

/// Fails with EEXIST if a file in /etc would hide the one of that name that is to be written.
Result<void> check_not_hidden(const std::string& root, Lifetime lifetime, const std::string& folder,
                              const std::string& name);

/// Reads one file after the other within the limits of load.h.
class Reader {
public:
    explicit Reader(Diagnostics& diagnostics) : diagnostics_(diagnostics) {}

    /// The text of a regular file; empty for /dev/null. Nothing if it was reported instead.
    [[nodiscard]] std::optional<std::string> read(const std::string& path);

private:
    Diagnostics& diagnostics_;
    std::size_t total_ = 0;
};

} // namespace rseq::config
