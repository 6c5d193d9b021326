// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include "enforce/plan_units.h"

#include <map>
#include <set>
#include <string>
#include <vector>

namespace rseq::enforce {

/// What unit files say (systemd.unit(5)) while there is no service manager to be asked: at boot,
/// before it loads them. Their text is searched for words and not parsed, so what is told errs on
/// one side: UnitFacts may say that a unit sets what it does not set, and never the other way
/// round.
class UnitFiles {
public:
    /// The folders that the files are in, those that win first. One that cannot be read is left
    /// out.
    explicit UnitFiles(std::vector<std::string> folders);

    /// The names of services that have a file, or a link in a NAME.wants or NAME.requires, as
    /// instances of templates have. Templates are among them.
    [[nodiscard]] std::vector<std::string> services() const;

    /// Whether an administrator has switched the service off: its file is /dev/null
    /// or empty.
    [[nodiscard]] bool is_masked(const std::string& service) const;

    /// Of a service or template, out of its file and its drop-ins. `environment` stays empty: a
    /// unit that sets GLIBC_TUNABLES, in whatever way, has `tunables_in_file`. Whatever is called a
    /// filter of system calls is an `allow_list`.
    [[nodiscard]] UnitFacts facts(const std::string& unit) const;

private:
    std::vector<std::string> folders_;
    std::map<std::string, std::string> files_;   ///< by name of the service: the one that wins
    std::set<std::string> wanted_;               ///< units of any kind
    std::map<std::string, std::string> aliases_; ///< the service that each of them is
};

/// Whether the file, as EnvironmentFile= names it, sets GLIBC_TUNABLES. One that cannot be read, or
/// is a pattern, is taken as one that does not.
[[nodiscard]] bool sets_tunables(const std::string& path);

} // namespace rseq::enforce
