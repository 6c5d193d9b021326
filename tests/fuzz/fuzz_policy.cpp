// SPDX-License-Identifier: GPL-2.0-or-later
#include "config/load.h"
#include "core/escape.h"
#include "fuzz.h"
#include "policy/match.h"

#include <algorithm>
#include <set>
#include <string>

using namespace rseq;
using namespace rseq::config;

namespace {

void check_errors(const Diagnostics& errors, std::string_view text) {
    const auto lines = std::count(text.begin(), text.end(), '\n') + 1;
    require(!errors.empty(), "nothing is refused without a reason");
    for (const Diagnostic& error : errors) {
        require(error.line >= 1 && error.line <= lines, "an error is in a line of the file");
        require(error.column >= 1 && error.column <= static_cast<int>(text.size()) + 1,
                "an error is in a column of the file");
        require(!error.message.empty() && error.message.size() < 1000, "an error can be read");
        const std::string shown = error.text();
        require(shown.starts_with("file:"), "an error begins with the file");
        require(first_unprintable(shown).empty(), "an error is safe to print");
    }
}

void check_rule(const policy::Rule& rule) {
    const policy::Match& match = rule.match;
    require(!rule.name.empty() && rule.name.size() <= 255, "a rule has a name");
    require(match.unit || match.cgroup || !match.only_cgroup(), "a match is not empty");
    require(rule.enforces() || rule.expect, "a rule does something");
    require(!rule.enforces() || match.only_cgroup(), "only a whole cgroup is held");
    require(!rule.glibc || match.unit, "only a unit has an environment");
    require(rule.origin.file == "file" && rule.origin.line >= 1 && rule.origin.column >= 1,
            "a rule knows where it is from");
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text = text_of(data, size);

    if (const auto rules = parse_policy("file", text)) {
        std::set<std::string> names;
        for (const policy::Rule& rule : *rules) {
            check_rule(rule);
            require(names.insert(rule.name).second, "a name is there once");
        }
        policy::Subject subject = policy::subject_of_cgroup("/system.slice/a.service");
        subject.exe = "/usr/bin/a";
        subject.comm = "a";
        subject.uid = 0;
        const policy::Rule* const held = policy::match_cgroup(subject, *rules);
        require(held == nullptr || policy::match(subject, *rules) <= held,
                "what matches the cgroup matches the process");
        const policy::Decision decision = policy::decide(subject.cgroup, *rules);
        require(decision.rule ==
                    policy::match_cgroup(policy::subject_of_cgroup(subject.cgroup), *rules),
                "a decision names the rule of the cgroup");
    } else {
        check_errors(rules.error(), text);
    }

    if (const auto settings = parse_settings("file", text)) {
        require(settings->log_level >= 0 && settings->log_level <= 7, "a priority of syslog");
        require(settings->trace_buffer_kib >= 16 && settings->trace_buffer_kib <= 65536,
                "a buffer within its range");
        require(settings->journal_interval_sec >= 1 && settings->journal_interval_sec <= 3600,
                "an interval within its range");
        require(settings->journal_burst >= 1 && settings->journal_burst <= 100000,
                "a burst within its range");
    } else {
        check_errors(settings.error(), text);
    }
    return 0;
}
