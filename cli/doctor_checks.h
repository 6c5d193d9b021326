// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include "core/kernel_facts.h"
#include "core/types.h"
#include "table/table.h"
#include "verify/verify.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace rseq::cli {

/// How bad it is. A note is what is as it is, and worth knowing.
enum class Severity : std::uint8_t { ok, note, warning, error };
[[nodiscard]] std::string_view to_string(Severity severity);

struct Check {
    std::string_view name; ///< stable, for programs
    Severity severity = Severity::ok;
    std::string finding; ///< may hold names of others: to be escaped
    std::string command; ///< what mends it, for a shell; empty if there is nothing to mend
};

/// Whether a part of the machine is there, as far as this user can see.
enum class Presence : std::uint8_t { absent, present, unreadable };

/// A process that has TCMalloc in it.
struct TcmallocUser {
    pid_t pid = 0;
    std::string comm; ///< untrusted
    std::string unit; ///< name of its service, untrusted; empty if it is in none
    Mode mode = Mode::unknown;
};

/// A seccomp profile that container runtimes use.
struct SeccompProfile {
    std::string path;
    /// Nothing if it could not be understood.
    std::optional<bool> allows_rseq;
};

/// What was seen of this machine.
struct Machine {
    KernelFacts kernel;
    verify::Safety v1_users = verify::Safety::unknown;
    Presence tracefs = Presence::absent;
    Presence debugfs = Presence::absent;
    /// Whether the daemon answered; why not.
    bool daemon = false;
    bool bus = false;
    std::string daemon_reason; ///< of an error other than its absence
    bool polkit = false;
    std::vector<std::string> overrides; ///< drop-ins and masks of our unit
    std::vector<SeccompProfile> profiles;
    std::vector<TcmallocUser> tcmalloc;
    bool tcmalloc_complete = false; ///< whether all processes could be looked at
};

[[nodiscard]] std::vector<Check> check(const Machine& machine);

/// Whether a profile in the format of containers-common and Docker lets rseq(2) through; nothing if
/// it is none.
[[nodiscard]] std::optional<bool> allows_rseq(std::string_view profile);

/// 0 all is well, 1 there are warnings, 2 there are errors.
[[nodiscard]] int exit_status(const std::vector<Check>& checks);

[[nodiscard]] std::string doctor_to_text(const std::vector<Check>& checks, bool legend,
                                         bool colour);
/// docs/schema/doctor.json
[[nodiscard]] Json doctor_to_json(const std::vector<Check>& checks);

} // namespace rseq::cli
