// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include "core/result.h"
#include "core/types.h"
#include "core/unique_fd.h"
#include "enforce/setting.h"
#include "policy/match.h"

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>

namespace rseq::enforce {

/// One directory that a walk came by. Valid during the visit.
struct CgroupVisit {
    const std::string& path; ///< from the root of the hierarchy, "/" for the root itself
    std::uint64_t id;        ///< inode number: the kernel's ID of the cgroup, never used twice
    int dir_fd;
};

/// Whether a cgroup is below that of the service manager of a user, who can make as many there as
/// he likes, with any name.
[[nodiscard]] bool is_of_users(std::string_view path);

/// Bounds of a walk. A deeper directory, or one more, is left out, and the walk says so.
struct WalkLimits {
    std::size_t depth = policy::deepest_level;
    std::size_t cgroups = 100000; ///< but for those of users
    std::size_t of_users = 20000;
};

/// What a walk came by.
struct Walked {
    bool whole = true;          ///< all of which no user is the maker
    bool whole_of_users = true; ///< all the others
};

/// Whether no component of the path, which begins with a slash, is empty, `.` or `..`. One slash at
/// the end is no component.
[[nodiscard]] bool is_plain_path(std::string_view path);

/// The cgroup v2 hierarchy from a directory descriptor. Paths are absolute within it, as in
/// /proc/PID/cgroup, and untrusted: one with a component `..` is refused with EINVAL.
class CgroupTree {
public:
    explicit CgroupTree(UniqueFd root) : root_(std::move(root)) {}

    /// The hierarchy of this machine: at /sys/fs/cgroup, or below it on a hybrid machine. Fails
    /// with ENOTSUP if neither is a cgroup v2.
    static Result<CgroupTree> mounted();

    /// Whether this kernel has cgroup.rseq.
    [[nodiscard]] bool has_policies() const;

    /// Calls `visit` for every directory, parents before what is in them, and those of users last.
    /// A directory that goes away meanwhile is left out.
    Result<Walked> walk(const std::function<void(const CgroupVisit&)>& visit,
                        const WalkLimits& limits = {}) const;

    /// Whether the cgroup with this ID has the path, or nobody can tell.
    [[nodiscard]] bool may_have(const std::string& path, std::uint64_t id) const;

    /// What the file of one cgroup says. ENOENT and ENODEV both mean that the cgroup is gone.
    [[nodiscard]] Result<Policy> policy(const std::string& path) const;
    /// The same from the cgroup's own directory.
    [[nodiscard]] static Result<Policy> policy(int dir_fd);

    /// Writes one line; the errors of docs/ABI.md, and ENOENT and ENODEV as above.
    [[nodiscard]] Result<void> write(const std::string& path, const Setting& setting) const;

    /// Makes a cgroup, removes an empty one (EBUSY: something is in it), and moves this process
    /// into one.
    [[nodiscard]] Result<void> make(const std::string& path, mode_t mode) const;
    [[nodiscard]] Result<void> remove(const std::string& path) const;
    [[nodiscard]] Result<void> enter(const std::string& path) const;

private:
    UniqueFd root_;
};

/// Whether an error of CgroupTree means that the cgroup does not exist any more.
[[nodiscard]] bool is_gone(const Error& error);

} // namespace rseq::enforce
