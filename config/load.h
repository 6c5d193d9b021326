// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include "config/diagnostic.h"
#include "policy/rule.h"

#include <syslog.h>
#include <tl/expected.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace rseq::config {

/// What rseq-compatd.yaml and its drop-ins can set; the values here are the defaults.
struct Settings {
    /// log.level: the least important priority of syslog(3) that is logged, LOG_EMERG to LOG_DEBUG.
    int log_level = LOG_INFO;
    /// trace.buffer_kib: size of the trace buffer of each CPU in KiB, 16 to 65536.
    std::uint32_t trace_buffer_kib = 256;
    /// journal.rate_limit: at most `burst` (1 to 100000) entries of one kind in `interval_sec`
    /// (1 to 3600) seconds.
    std::uint32_t journal_interval_sec = 30;
    std::uint32_t journal_burst = 200;
    /// slice.length_ns: length of a time slice extension, least_slice_ns to most_slice_ns. Absent:
    /// the kernel's is left as it is.
    std::optional<std::uint32_t> slice_length_ns = std::nullopt;
    friend bool operator==(const Settings&, const Settings&) = default;
};

/// Limits of what is read, so that no file can exhaust memory or stack.
inline constexpr std::size_t max_file_bytes = std::size_t{256} * 1024;
inline constexpr std::size_t max_total_bytes = std::size_t{1024} * 1024;
inline constexpr std::size_t max_files = 512;
inline constexpr std::size_t max_rules = 2000;
inline constexpr std::size_t max_depth = 8; ///< lists and mappings within each other
inline constexpr std::size_t max_values_per_file = 50000;
inline constexpr std::size_t max_scalar_bytes = 1024; ///< of one key or value

/// Everything that the files say.
struct Configuration {
    Settings settings;
    /// In the order in which they are tried.
    std::vector<policy::Rule> rules;
    /// The files that were read, in that order, with `root` before them; those that others mask and
    /// empty ones are left out.
    std::vector<std::string> files;
};

/// The value, or all errors of all files at once and no value.
template <class T>
using Loaded = tl::expected<T, Diagnostics>;

/// Reads the whole configuration below `root`, which is empty in production:
///   ROOT/{etc,run,usr/lib}/rseq-compat/rseq-compatd.yaml
///   ROOT/{etc,run,usr/lib}/rseq-compat/rseq-compatd.d/*.yaml
///   ROOT/{etc,run,usr/lib}/rseq-compat/policy.d/*.yaml
/// A file masks those of the same name in later folders, also if it is empty or a symbolic link to
/// /dev/null. What is left of each kind is taken in the order of the file names, byte by byte;
/// rseq-compatd.yaml goes before the drop-ins, and a later value replaces an earlier one. What does
/// not exist is left out: without any file the settings are the defaults, and there are no rules.
[[nodiscard]] Loaded<Configuration> load(const std::string& root = "");

/// Reads these policy files and no others, in this order, with the checks that load() makes.
[[nodiscard]] Loaded<std::vector<policy::Rule>>
load_policy_files(const std::vector<std::string>& paths);

/// The rules in the text of one policy file; `file` is what positions are shown with.
[[nodiscard]] Loaded<std::vector<policy::Rule>> parse_policy(const std::string& file,
                                                             std::string_view text);

/// The settings that the text of one settings file makes out of `settings`.
[[nodiscard]] Loaded<Settings> parse_settings(const std::string& file, std::string_view text,
                                              Settings settings = {});

} // namespace rseq::config
