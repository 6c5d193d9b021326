// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/violation_list.h"

#include "core/escape.h"
#include "core/parse.h"
#include "proc/cgroup.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <ctime>
#include <tuple>
#include <utility>

namespace rseq::cli {

namespace {

constexpr std::uint64_t usec_per_sec = 1'000'000;

std::string field(const std::map<std::string, std::string>& fields, const char* name) {
    const auto found = fields.find(name);
    return found == fields.end() ? std::string() : found->second;
}

std::optional<std::uint64_t> value_of(const std::string& text) {
    return text.starts_with("0x") ? parse_number<std::uint64_t>(text.substr(2), 16) : std::nullopt;
}

std::optional<std::uint64_t> local_time(const std::string& text, const char* format) {
    std::tm parts{};
    const char* const end = ::strptime(text.c_str(), format, &parts);
    parts.tm_isdst = -1;
    const std::time_t time = end != nullptr && *end == '\0' ? std::mktime(&parts) : -1;
    return time < 0 ? std::nullopt : std::optional(static_cast<std::uint64_t>(time) * usec_per_sec);
}

std::optional<std::uint64_t> midnight(std::uint64_t now_usec, int days_ago) {
    const auto now = static_cast<std::time_t>(now_usec / usec_per_sec);
    std::tm parts{};
    if (::localtime_r(&now, &parts) == nullptr) {
        return std::nullopt;
    }
    parts.tm_hour = parts.tm_min = parts.tm_sec = 0;
    parts.tm_mday -= days_ago;
    parts.tm_isdst = -1;
    const std::time_t time = std::mktime(&parts);
    return time < 0 ? std::nullopt : std::optional(static_cast<std::uint64_t>(time) * usec_per_sec);
}

/// "90min": so many microseconds.
std::optional<std::uint64_t> parse_span(std::string_view text) {
    struct Scale {
        std::string_view word;
        std::uint64_t seconds;
    };
    constexpr std::array<Scale, 6> scales{
        {{"s", 1}, {"min", 60}, {"m", 60}, {"h", 3600}, {"d", 86400}, {"w", 604800}}};
    const std::size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
    const auto count = parse_number<std::uint32_t>(text.substr(0, digits));
    const auto* const scale = std::find_if(scales.begin(), scales.end(), [&](const Scale& one) {
        return one.word == text.substr(digits);
    });
    if (!count || scale == scales.end()) {
        return std::nullopt;
    }
    return *count * scale->seconds * usec_per_sec;
}

} // namespace

std::optional<Killed> parse_killed(std::uint64_t time_usec,
                                   const std::map<std::string, std::string>& fields) {
    Killed killed;
    killed.time_usec = time_usec;
    const auto pid = parse_number<pid_t>(field(fields, "RSEQ_PID"));
    killed.reason = field(fields, "RSEQ_REASON");
    if (!pid || *pid < 0 || killed.reason.empty()) {
        return std::nullopt;
    }
    killed.pid = *pid;
    killed.comm = field(fields, "RSEQ_COMM");
    killed.exe = field(fields, "RSEQ_EXE");
    killed.cgroup = field(fields, "RSEQ_CGROUP");
    killed.unit = field(fields, "RSEQ_UNIT");
    killed.mode = parse_mode(field(fields, "RSEQ_MODE")).value_or(Mode::unknown);
    killed.expected = value_of(field(fields, "RSEQ_EXPECTED"));
    killed.found = value_of(field(fields, "RSEQ_FOUND"));
    return killed;
}

std::vector<KilledGroup> group(std::vector<Killed> killed) {
    const auto by_time = [](const Killed& a, const Killed& b) {
        return a.time_usec < b.time_usec;
    };
    std::stable_sort(killed.begin(), killed.end(), by_time);
    std::map<std::tuple<std::string, std::string, std::string, Mode, std::string>, KilledGroup>
        groups;
    for (Killed& one : killed) {
        KilledGroup& entry = groups[{one.unit, one.exe, one.comm, one.mode, one.reason}];
        entry.first_time_usec = entry.times == 0 ? one.time_usec : entry.first_time_usec;
        ++entry.times;
        entry.last = std::move(one);
    }
    std::vector<KilledGroup> list;
    list.reserve(groups.size());
    for (auto& [key, entry] : groups) {
        list.push_back(std::move(entry));
    }
    std::stable_sort(list.begin(), list.end(), [&](const KilledGroup& a, const KilledGroup& b) {
        return by_time(a.last, b.last);
    });
    return list;
}

std::optional<std::string> pinning_command(const Killed& killed) {
    constexpr std::array<std::string_view, 4> fields{"cpu_id_start", "cpu_id", "node_id", "mm_cid"};
    const bool overwritten = std::find(fields.begin(), fields.end(), killed.reason) != fields.end();
    const proc::Unit unit = proc::unit_of_cgroup(killed.cgroup);
    if (killed.mode != Mode::v2 || !overwritten || unit.manager != proc::Manager::system ||
        !unit.name.ends_with(".service")) {
        return std::nullopt;
    }
    const std::string name = shell_word(unit.name);
    return "rseqctl policy set " + name + " --mode legacy && systemctl restart " + name;
}

Result<std::uint64_t> parse_since(std::string_view text, std::uint64_t now_usec) {
    const std::string word(text);
    auto time = word == "today"       ? midnight(now_usec, 0)
                : word == "yesterday" ? midnight(now_usec, 1)
                                      : std::nullopt;
    for (const char* format : {"%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%d"}) {
        time = time ? time : local_time(word, format);
    }
    if (!time) {
        if (const auto span = parse_span(text)) {
            time = *span > now_usec ? 0 : now_usec - *span;
        }
    }
    if (!time) {
        return fail(EINVAL, "--since: '" + word + "' is no time");
    }
    return *time;
}

} // namespace rseq::cli
