// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include "config/files.h"
#include "core/result.h"
#include "core/slice_length.h"
#include "policy/rule.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace rseq::config {

/// What to tell people of an error of the functions here. The context says all for the codes that
/// they name, and does not repeat in words what the code says.
[[nodiscard]] std::string text_of(const Error& error);

/// What is to be set for a unit; what is absent stays as an earlier call set it.
struct UnitPolicy {
    std::optional<PolicyMode> mode = std::nullopt;
    std::optional<PolicySlice> slice = std::nullopt;
    std::optional<bool> glibc = std::nullopt;
    std::optional<Mode> expect = std::nullopt; ///< none, v1 or v2

    [[nodiscard]] bool empty() const { return !mode && !slice && !glibc && !expect; }
    friend bool operator==(const UnitPolicy&, const UnitPolicy&) = default;
};

/// Name of the file for a unit: "60-mongod.service.yaml". Characters that names of units do not
/// have are written as `\xHH`.
[[nodiscard]] std::string policy_file_name(const std::string& unit);

/// The text of the file: something that a person can read and edit. `unit` is as UnitPattern takes
/// it, of printable ASCII; `name` is that of the rule.
[[nodiscard]] std::string policy_file_text(const std::string& unit, const std::string& name,
                                           const UnitPolicy& policy);

/// Writes ROOT/{etc,run}/rseq-compat/policy.d/60-UNIT.yaml for one unit, or changes it, and returns
/// its path. A name without a suffix means a service.
///
/// The file is there as a whole or not at all, and only if all files together are a configuration
/// without errors and the rule is the one that decides for the unit. Two callers at once do not
/// lose each other's changes. Fails, and leaves everything as it was:
/// - EINVAL: the unit or the policy cannot be, or there are errors in the configuration: all of
/// them
///   are in the text;
/// - EEXIST: a rule before this one decides for the unit, or the file was written by a person and
///   has something else in it, or /etc has a file that hides the one in /run;
/// - EBUSY: somebody else has been changing policies for seconds;
/// - the errno of what could not be written: ENOSPC, EROFS, EACCES.
Result<std::string> set_policy(const std::string& root, const std::string& unit,
                               const UnitPolicy& policy, Lifetime lifetime);

/// Removes what set_policy() wrote for a unit, in /etc and in /run, and returns the paths. Fails
/// with ENOENT if there is nothing, and as set_policy().
Result<std::vector<std::string>> unset_policy(const std::string& root, const std::string& unit);

/// Sets the length of time slice extensions in the kernel, whose file for it is `kernel_file`, and
/// writes a file of ROOT/{etc,run}/rseq-compat/rseq-compatd.d that sets slice.length_ns, and
/// returns its path. The one in /run comes after the one in /etc, and is removed when that is
/// written. Fails, and leaves everything as it was; the context says all:
/// - EINVAL: there are errors in the configuration;
/// - EEXIST: a file that is read later sets another length, or one that was written by a person
///   would lose what else is in it;
/// - ENODEV: the kernel has no slices, or debugfs is not mounted;
/// - the errno of what could not be written.
Result<std::string> set_slice_length(const std::string& root, std::uint32_t length_ns,
                                     Lifetime lifetime,
                                     const std::string& kernel_file = slice_length_file);

} // namespace rseq::config
