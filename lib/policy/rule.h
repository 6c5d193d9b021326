// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include "core/glob.h"
#include "core/types.h"
#include "proc/unit_pattern.h"

#include <sys/types.h>

#include <optional>
#include <string>

namespace rseq::policy {

/// Where a rule was written, for people: both numbers count from 1, columns count bytes.
struct Origin {
    std::string file;
    int line = 0;
    int column = 0;
    friend bool operator==(const Origin&, const Origin&) = default;
};

/// What a rule applies to: everything that is present must match.
struct Match {
    std::optional<proc::UnitPattern> unit = std::nullopt;
    /// Over the path of the cgroup below the root of the hierarchy; it begins with a slash.
    std::optional<Glob> cgroup = std::nullopt;
    /// Over the absolute path of the program file.
    std::optional<Glob> exe = std::nullopt;
    /// Over the name of the process, at most 15 bytes.
    std::optional<Glob> comm = std::nullopt;
    /// The effective user ID.
    std::optional<uid_t> uid = std::nullopt;

    /// True if the cgroup of a process decides alone whether this matches.
    [[nodiscard]] bool only_cgroup() const { return !exe && !comm && !uid; }
    friend bool operator==(const Match&, const Match&) = default;
};

/// One rule of a policy file. What is absent, the rule does not touch. The loader in config/ has
/// seen to these invariants:
/// - the match is not empty, and at least one of mode, slice, glibc and expect is present;
/// - where mode, slice or glibc is present, match.only_cgroup() holds: the kernel holds a whole
///   cgroup or nothing, so that a rule for some processes of it could not be kept;
/// - where glibc is present, match.unit is: a tunable is set in the environment of a unit.
struct Rule {
    /// Unique among all rules, of the characters that names of units have.
    std::string name;
    Match match;
    std::optional<PolicyMode> mode = std::nullopt;
    std::optional<PolicySlice> slice = std::nullopt;
    /// Whether glibc registers by itself: the tunable glibc.pthread.rseq.
    std::optional<bool> glibc = std::nullopt;
    /// The mode that processes should be seen in: none, v1 or v2.
    std::optional<Mode> expect = std::nullopt;
    Origin origin;

    /// True if the rule asks for something to be written, and not only for a look.
    [[nodiscard]] bool enforces() const { return mode || slice || glibc; }
    friend bool operator==(const Rule&, const Rule&) = default;
};

} // namespace rseq::policy
