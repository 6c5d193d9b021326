// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include "core/result.h"
#include "core/types.h"
#include "enforce/setting.h"

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace rseq::enforce {

/// What we wrote, and what was there before.
template <class Word>
struct Written {
    Word wrote{};
    Word before{};
    friend bool operator==(const Written&, const Written&) = default;
};

/// One cgroup that rules hold to something.
struct HeldCgroup {
    std::uint64_t id = 0; ///< of the directory: another one may have the same path later
    std::optional<Written<PolicyMode>> mode = std::nullopt;
    std::optional<Written<PolicySlice>> slice = std::nullopt;
    std::string rule; ///< name of the rule that asks for it
    /// CLOCK_BOOTTIME when it was known to be so. What was executed there earlier may have latched
    /// something else.
    std::uint64_t since_ns = 0;
    /// It was new when the rule was in force already: what was executed there earlier was faster
    /// than we were, and did not start before the rule.
    bool fresh = false;

    [[nodiscard]] bool empty() const { return !mode && !slice; }
    /// Whether we wrote this.
    [[nodiscard]] bool wrote(const Setting& setting) const;
    friend bool operator==(const HeldCgroup&, const HeldCgroup&) = default;
};

/// All that has to be put back one day. Drop-ins are not in here: they say themselves whose they
/// are (drop_in.h), and there was nothing before them.
struct Held {
    /// By the path of the cgroup.
    std::map<std::string, HeldCgroup> cgroups;
    /// Drop-ins were changed, and the service manager has not read them yet.
    bool reload_pending = false;
    friend bool operator==(const Held&, const Held&) = default;
};

/// The name of the file below, and what it can have at most.
inline constexpr const char* held_file = "held.json";
inline constexpr std::size_t max_held_bytes = std::size_t{32} * 1024 * 1024;
inline constexpr std::size_t max_held_cgroups = 20000;
/// Of these, those of users (is_of_users); and bytes of a path in the file.
inline constexpr std::size_t max_held_of_users = 5000;
inline constexpr std::size_t max_held_path = 768;

/// Whether the path is longer than one that can be kept in mind.
[[nodiscard]] bool is_too_long(std::string_view path);

/// Counts cgroups that are kept in mind. Those of users may not keep others from being held.
class Room {
public:
    Room() = default;
    explicit Room(const std::map<std::string, HeldCgroup>& cgroups);

    /// Whether there is room for one that is not among them.
    [[nodiscard]] bool has_for(std::string_view path) const;
    /// One more that was not among them, and one less that was.
    void add(std::string_view path);
    void remove(std::string_view path);

private:
    std::size_t all_ = 0;
    std::size_t of_users_ = 0;
};

/// As JSON. Bytes of paths that are not printable ASCII, `%` and `"` are written as %HH.
[[nodiscard]] std::string to_json(const Held& held);

/// The inverse. Fails with EPROTO for anything that to_json() does not write, and with the place.
Result<Held> parse_held(std::string_view text);

/// Reads the file in the directory of what is to be kept for this boot. Without a file there is
/// nothing held. An error leaves it to the caller to begin with nothing: the kernel keeps what is
/// written, but nobody knows any more what was there before.
Result<Held> load_held(int dir_fd);

/// Replaces the file.
Result<void> save_held(int dir_fd, const Held& held);

} // namespace rseq::enforce
