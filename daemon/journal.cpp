// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/journal.h"

#include "core/escape.h"
#include "core/parse.h"
#include "core/violation.h"
#include "daemon/log.h"
#include "daemon/message_ids.h"

#include <fmt/format.h>
#include <sys/uio.h>
#include <systemd/sd-journal.h>

#include <algorithm>
#include <array>
#include <string_view>
#include <type_traits>
#include <utility>

namespace rseq::daemon {

namespace {

constexpr int priority_error = 3;
constexpr int priority_warning = 4;
constexpr int priority_notice = 5;
constexpr int priority_info = 6;
constexpr int priority_debug = 7;

JournalFields entry(std::string_view message_id, int priority, std::string_view message) {
    return {fmt::format("MESSAGE={}", message), fmt::format("MESSAGE_ID={}", message_id),
            fmt::format("PRIORITY={}", priority), "SYSLOG_IDENTIFIER=rseq-compatd"};
}

void add_if(JournalFields& fields, std::string_view name, std::string_view value) {
    if (!value.empty()) {
        fields.push_back(fmt::format("{}={}", name, value));
    }
}

/// "mongod[4242]".
std::string who(const Occurrence& occurrence) {
    const std::string name = occurrence.comm.empty() ? "?" : escape_untrusted(occurrence.comm);
    return fmt::format("{}[{}]", name, occurrence.process.pid);
}

void add_victim(JournalFields& fields, const Occurrence& occurrence) {
    fields.push_back(fmt::format("RSEQ_PID={}", occurrence.process.pid));
    fields.push_back(fmt::format("RSEQ_TID={}", occurrence.tid));
    add_if(fields, "RSEQ_COMM", occurrence.comm);
    add_if(fields, "RSEQ_EXE", occurrence.exe);
    add_if(fields, "RSEQ_CGROUP", occurrence.cgroup);
    add_if(fields, "RSEQ_UNIT", occurrence.unit);
    add_if(fields, "RSEQ_SYSTEMD_SLICE", slice_of_cgroup(occurrence.cgroup));
}

JournalFields violation_entry(const Occurrence& occurrence, const event::Violation& violation) {
    JournalFields fields = entry(
        message_id::violation, priority_warning,
        fmt::format("{} killed: rseq v{} violation, {}", who(occurrence), violation.version,
                    describe_violation(violation.reason, violation.expected, violation.found)));
    add_victim(fields, occurrence);
    fields.push_back(fmt::format("RSEQ_MODE=v{}", violation.version));
    fields.push_back("RSEQ_REASON=" + violation.reason);
    fields.push_back(fmt::format("RSEQ_EXPECTED={:#x}", violation.expected));
    fields.push_back(fmt::format("RSEQ_FOUND={:#x}", violation.found));
    fields.push_back(fmt::format("RSEQ_IP={:#x}", violation.ip));
    return fields;
}

JournalFields refusal_entry(const Occurrence& occurrence, const event::Registered& attempt) {
    const std::string error = errno_name(attempt.error);
    JournalFields fields = entry(message_id::refusal, priority_info,
                                 fmt::format("{}: registration of {} bytes refused: {}",
                                             who(occurrence), attempt.length, error));
    add_victim(fields, occurrence);
    fields.push_back("RSEQ_ERRNO=" + error);
    fields.push_back(fmt::format("RSEQ_LENGTH={}", attempt.length));
    fields.push_back(fmt::format("RSEQ_FLAGS={:#x}", static_cast<std::uint32_t>(attempt.flags)));
    fields.push_back(fmt::format("RSEQ_SIGNATURE={:#x}", attempt.signature));
    return fields;
}

JournalFields policy_entry(const Occurrence& occurrence, const event::PolicyLatched& latched) {
    const std::string policy = to_string(latched.policy);
    JournalFields fields = entry(message_id::policy, priority_debug,
                                 fmt::format("{}: policy {}", who(occurrence), policy));
    add_victim(fields, occurrence);
    fields.push_back("RSEQ_POLICY=" + policy);
    return fields;
}

void send_to_journald(const JournalFields& fields) {
    std::vector<iovec> parts;
    parts.reserve(fields.size());
    for (const std::string& field : fields) {
        parts.push_back({const_cast<char*>(field.data()), field.size()});
    }
    // Success where there is no journald: the message is then on standard error, if anywhere.
    const int result = ::sd_journal_sendv(parts.data(), static_cast<int>(parts.size()));
    if (result < 0) {
        log::message(log::Level::error, "cannot write to the journal: {}",
                     std::generic_category().message(-result));
    }
}

/// Where runtimes make their cgroups when they do not ask systemd.
constexpr std::array<std::string_view, 3> parents_of_containers{"docker", "kubepods",
                                                                "libpod_parent"};

/// What an interval held back, in words, by the order of Journal::Bucket.
constexpr std::array<std::string_view, 5> suppressed_words{
    "violations", "refused registrations", "latched policies", "reports of lost events",
    "processes that do not comply"};

} // namespace

std::string_view slice_of_cgroup(std::string_view cgroup) {
    constexpr std::string_view suffix = ".slice";
    std::string_view slice;
    while (!cgroup.empty()) {
        const std::size_t end = std::min(cgroup.find('/'), cgroup.size());
        const std::string_view part = cgroup.substr(0, end);
        if (part.size() > suffix.size() && part.ends_with(suffix)) {
            slice = part;
        }
        cgroup.remove_prefix(std::min(end + 1, cgroup.size()));
    }
    return slice;
}

std::string_view party_of(const Occurrence& occurrence) {
    std::string_view rest = without_removal_mark(occurrence.cgroup);
    while (!rest.empty()) {
        const std::string_view name = take_until(rest, '/');
        const bool is_slice = name.ends_with(".slice");
        // Whoever a cgroup is handed over to can make names of containers below it.
        if ((is_slice && name.starts_with("user-")) || name.ends_with(".service") ||
            name.ends_with(".scope")) {
            return name;
        }
        if (!is_slice && !name.empty()) {
            // Otherwise whoever the cgroup was handed over to chooses by what he makes in there.
            const bool is_parent =
                std::find(parents_of_containers.begin(), parents_of_containers.end(), name) !=
                parents_of_containers.end();
            return is_parent ? std::string_view(occurrence.unit) : name;
        }
    }
    return occurrence.unit;
}

std::optional<JournalFields> journal_entry(const Occurrence& occurrence) {
    return std::visit(
        [&](const auto& payload) -> std::optional<JournalFields> {
            using Payload = std::decay_t<decltype(payload)>;
            if constexpr (std::is_same_v<Payload, event::Violation>) {
                return violation_entry(occurrence, payload);
            } else if constexpr (std::is_same_v<Payload, event::PolicyLatched>) {
                return policy_entry(occurrence, payload);
            } else if constexpr (std::is_same_v<Payload, event::Registered>) {
                if (payload.error != 0) {
                    return refusal_entry(occurrence, payload);
                }
            }
            return std::nullopt;
        },
        occurrence.payload);
}

JournalFields journal_entry_lost(std::uint64_t count) {
    JournalFields fields =
        entry(message_id::events_lost, priority_warning,
              fmt::format("{} trace events lost; comparing all processes with the kernel", count));
    fields.push_back(fmt::format("RSEQ_LOST={}", count));
    return fields;
}

JournalFields journal_entry_started(const KernelFacts& facts) {
    const std::string_view slices = facts.slices == Availability::yes  ? "yes"
                                    : facts.slices == Availability::no ? "no"
                                                                       : "unknown";
    const bool broken = facts.kernel_class == KernelClass::broken;
    JournalFields fields =
        entry(message_id::started, broken ? priority_warning : priority_notice,
              fmt::format("kernel {}: class {}{}", escape_untrusted(facts.release),
                          to_string(facts.kernel_class),
                          broken ? ", programs that rely on v1 are not safe here" : ""));
    fields.push_back("RSEQ_KERNEL_RELEASE=" + facts.release);
    fields.push_back(fmt::format("RSEQ_KERNEL_CLASS={}", to_string(facts.kernel_class)));
    fields.push_back(fmt::format("RSEQ_SLICES={}", slices));
    fields.push_back(fmt::format("RSEQ_ABI={}", facts.abi));
    return fields;
}

JournalFields journal_entry_configuration(std::string_view errors) {
    return entry(message_id::configuration_refused, priority_error,
                 fmt::format("the configuration has errors, the one before it stays:\n{}", errors));
}

JournalFields journal_entry_not_compliant(const Occurrence& process,
                                          const enforce::Compliance& compliance) {
    const std::string reason = compliance.text();
    JournalFields fields = entry(message_id::not_compliant, priority_warning,
                                 fmt::format("{} does not comply with the rule {}: {}",
                                             who(process), compliance.rule->name, reason));
    add_victim(fields, process);
    fields.push_back(fmt::format("RSEQ_MODE={}", to_string(process.mode)));
    fields.push_back("RSEQ_REASON=" + reason);
    fields.push_back("RSEQ_RULE=" + compliance.rule->name);
    fields.push_back(fmt::format("RSEQ_RULE_FILE={}:{}", compliance.rule->origin.file,
                                 compliance.rule->origin.line));
    fields.push_back("RSEQ_EXPECTED=" + compliance.expected);
    fields.push_back("RSEQ_FOUND=" + compliance.found);
    return fields;
}

Journal::Journal(Limit limit, Sender sender)
    : send_(sender ? std::move(sender) : send_to_journald),
      limits_(buckets, JournalLimit(limit.interval_ns, limit.burst)) {
    static_assert(suppressed_words.size() == buckets);
}

void Journal::set_limit(Limit limit) {
    for (JournalLimit& one : limits_) {
        one.change(limit.interval_ns, limit.burst);
    }
}

void Journal::report(const Occurrence& occurrence, std::uint64_t now_ns) {
    const Bucket bucket = occurrence.kind == Kind::violation ? Bucket::violation
                          : occurrence.kind == Kind::policy  ? Bucket::policy
                                                             : Bucket::refusal;
    if (bucket == Bucket::policy && !log::enabled(log::Level::debug)) {
        return;
    }
    const auto fields = journal_entry(occurrence);
    if (fields && limit_of(bucket).admit(now_ns, party_of(occurrence))) {
        send_(*fields);
    }
}

void Journal::report_lost(std::uint64_t count, std::uint64_t now_ns) {
    if (limit_of(Bucket::lost).admit(now_ns, {})) {
        send_(journal_entry_lost(count));
    }
}

void Journal::report_not_compliant(const Occurrence& who, const enforce::Compliance& compliance,
                                   std::uint64_t now_ns) {
    if (limit_of(Bucket::not_compliant).admit(now_ns, party_of(who))) {
        send_(journal_entry_not_compliant(who, compliance));
    }
}

void Journal::report_started(const KernelFacts& facts) {
    send_(journal_entry_started(facts));
}

void Journal::report_configuration(std::string_view errors) {
    send_(journal_entry_configuration(errors));
}

std::optional<std::uint64_t> Journal::flush_at() const {
    std::optional<std::uint64_t> earliest;
    for (const JournalLimit& limit : limits_) {
        if (const auto due = limit.due_ns(); due && (!earliest || *due < *earliest)) {
            earliest = due;
        }
    }
    return earliest;
}

void Journal::flush(std::uint64_t now_ns) {
    for (std::size_t i = 0; i < buckets; ++i) {
        if (const std::uint64_t count = limits_[i].take_held_back(now_ns); count > 0) {
            JournalFields fields =
                entry(message_id::suppressed, priority_warning,
                      fmt::format("{} {} more are not in the journal", count, suppressed_words[i]));
            fields.push_back(fmt::format("RSEQ_SUPPRESSED={}", count));
            send_(fields);
        }
    }
}

} // namespace rseq::daemon
