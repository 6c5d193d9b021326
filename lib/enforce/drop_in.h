// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include "core/result.h"
#include "core/types.h"
#include "policy/rule.h"

#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace rseq::enforce {

/// Where drop-ins are, and the file name that they have in each UNIT.d. It is behind all that
/// administrators use, `override.conf` of `systemctl edit` too, because later files win: one that
/// sets ExecStartPre= to nothing, or a filter of system calls, must not come after it.
inline constexpr const char* drop_in_root = "/run/systemd/system";
/// Where those of the generator are, which count where there is none of the same unit above.
inline constexpr const char* generated_root = "/run/systemd/generator";
/// Of the daemon, until the next boot.
inline constexpr const char* runtime_root = "/run/rseq-compat";
/// Once a file of this name is there, the generator makes none any more: rules have been applied,
/// so that what they ask for is above.
inline constexpr const char* applied_name = "applied";
inline constexpr const char* drop_in_name = "zz-rseq-compat.conf";

/// What a drop-in does. With nothing of it, it hides the drop-in of a template from one instance.
struct DropIn {
    /// Held to by the helper before the service is executed; defaults are left out.
    Policy hold = {};
    /// rseq(2) fails with ENOSYS, by a filter: for kernels without cgroup.rseq.
    bool filter = false;
    /// Value of GLIBC_TUNABLES; empty: not set.
    std::string tunables = {};

    [[nodiscard]] bool empty() const { return hold == Policy() && !filter && tunables.empty(); }
};

/// The text of the file. `hold_program`: path of the helper hold-cgroup, of
/// characters that need no quotes in a unit file. Fails with EINVAL if the
/// tunables have characters that are not printable ASCII.
Result<std::string> drop_in_text(const DropIn& drop_in, const policy::Rule& rule,
                                 std::string_view hold_program);

/// Whether we wrote the text.
[[nodiscard]] bool is_ours(std::string_view text);
/// Whether it has the helper write the unit's cgroup.
[[nodiscard]] bool holds_cgroup(std::string_view text);
/// Whether it has rseq(2) fail.
[[nodiscard]] bool filters(std::string_view text);

/// By the name of the unit or template whose folder they are in: the files of our name, also those
/// that are not ours.
using DropIns = std::map<std::string, std::string>;

/// Reads them. `root_fd`: the directory that is /run/systemd/system in production.
Result<DropIns> read_drop_ins(int root_fd);
/// Replaces one, and makes its folder if need be.
Result<void> write_drop_in(int root_fd, const std::string& unit, std::string_view text);
/// Removes it, and its folder if nothing is left in there. One that is not there is no error.
Result<void> remove_drop_in(int root_fd, const std::string& unit);

} // namespace rseq::enforce
