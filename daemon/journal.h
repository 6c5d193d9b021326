// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include "core/kernel_facts.h"
#include "daemon/journal_limit.h"
#include "daemon/occurrence.h"
#include "enforce/compliance.h"

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace rseq::daemon {

/// `NAME=value` each, the value any bytes (systemd.journal-fields(7)).
using JournalFields = std::vector<std::string>;

/// The entry for an occurrence; nothing for kinds that have none: only violations and refused
/// registrations are news to an administrator, and a latched policy at debug level.
[[nodiscard]] std::optional<JournalFields> journal_entry(const Occurrence& occurrence);

/// The entry for `count` trace events that the kernel overwrote before they were read.
[[nodiscard]] JournalFields journal_entry_lost(std::uint64_t count);

/// The entry for the start of the daemon: what kernel this is.
[[nodiscard]] JournalFields journal_entry_started(const KernelFacts& facts);

/// The entry for a configuration that was refused; `errors` is one line for each.
[[nodiscard]] JournalFields journal_entry_configuration(std::string_view errors);

/// The entry for a process that does not comply with a rule. `process`: of no kind, in its mode.
[[nodiscard]] JournalFields journal_entry_not_compliant(const Occurrence& process,
                                                        const enforce::Compliance& compliance);

/// The name of the systemd slice in a cgroup path, the innermost: "system.slice"; empty if none.
[[nodiscard]] std::string_view slice_of_cgroup(std::string_view cgroup);

/// Who an occurrence is put down to where there is no room for all: the unit or container, and for
/// all that a user can make units of, sessions too, the user's slice: "user-1000.slice". The same
/// for all whose unit is not known. It is within the occurrence.
[[nodiscard]] std::string_view party_of(const Occurrence& occurrence);

/// Writes entries to the journal, not more of one kind than its rate limit allows, but the first of
/// each party in an interval (JournalLimit). What is held back is counted, and the count has an
/// entry of its own when the interval is over.
class Journal {
public:
    struct Limit {
        std::uint64_t interval_ns = 30'000'000'000;
        std::uint32_t burst = 200;
    };
    using Sender = std::function<void(const JournalFields&)>;

    /// Sends to journald unless another sender is given.
    explicit Journal(Limit limit, Sender sender = {});

    /// From the next interval on.
    void set_limit(Limit limit);

    /// `now_ns`: any clock that does not go back.
    void report(const Occurrence& occurrence, std::uint64_t now_ns);
    void report_lost(std::uint64_t count, std::uint64_t now_ns);
    void report_not_compliant(const Occurrence& who, const enforce::Compliance& compliance,
                              std::uint64_t now_ns);
    /// These two are rare and not limited.
    void report_started(const KernelFacts& facts);
    void report_configuration(std::string_view errors);

    /// When flush() has something to do; nothing if it has not.
    [[nodiscard]] std::optional<std::uint64_t> flush_at() const;
    /// Writes how many entries were held back in intervals that are over.
    void flush(std::uint64_t now_ns);

private:
    enum class Bucket : std::uint8_t { violation, refusal, policy, lost, not_compliant };
    static constexpr std::size_t buckets = 5;

    JournalLimit& limit_of(Bucket bucket) { return limits_[static_cast<std::size_t>(bucket)]; }

    Sender send_;
    std::vector<JournalLimit> limits_; ///< by Bucket
};

} // namespace rseq::daemon
