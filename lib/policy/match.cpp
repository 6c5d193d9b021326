// SPDX-License-Identifier: GPL-2.0-or-later
#include "policy/match.h"

#include "proc/cgroup.h"

#include <algorithm>
#include <string_view>
#include <utility>

namespace rseq::policy {

namespace {

bool text_matches(const Glob& glob, const std::string& text) {
    return !text.empty() && glob.matches(text);
}

/// The same for paths behind which the kernel puts a mark when they are gone (proc(5), cgroups(7)).
bool path_matches(const Glob& glob, const std::string& path) {
    constexpr std::string_view mark = " (deleted)";
    return text_matches(glob, path) ||
           (path.ends_with(mark) && text_matches(glob, path.substr(0, path.size() - mark.size())));
}

bool matches(const Match& match, const Subject& subject) {
    return (!match.uid || match.uid == subject.uid) &&
           (!match.unit || match.unit->matches(subject.unit, subject.unit_display)) &&
           (!match.comm || text_matches(*match.comm, subject.comm)) &&
           (!match.cgroup || path_matches(*match.cgroup, subject.cgroup)) &&
           (!match.exe || path_matches(*match.exe, subject.exe));
}

const Rule* first(std::span<const Rule> rules, const auto& is_meant) {
    const auto found = std::find_if(rules.begin(), rules.end(), is_meant);
    return found == rules.end() ? nullptr : &*found;
}

/// Takes over what the rule of a cgroup on the path asks for, where it is stricter.
void tighten(Decision& decision, const Rule& rule) {
    if (rule.mode && *rule.mode > decision.effective.mode) {
        decision.effective.mode = *rule.mode;
        decision.mode_rule = &rule;
    }
    if (rule.slice && *rule.slice > decision.effective.slice) {
        decision.effective.slice = *rule.slice;
        decision.slice_rule = &rule;
    }
}

} // namespace

Subject subject_of_cgroup(std::string cgroup) {
    proc::Unit unit = proc::unit_of_cgroup(cgroup);
    Subject subject;
    subject.unit_display = unit.display_name();
    subject.unit = std::move(unit.name);
    subject.cgroup = std::move(cgroup);
    return subject;
}

const Rule* match(const Subject& subject, std::span<const Rule> rules) {
    return first(rules, [&](const Rule& rule) { return matches(rule.match, subject); });
}

const Rule* match_cgroup(const Subject& cgroup, std::span<const Rule> rules) {
    return first(rules, [&](const Rule& rule) {
        return rule.match.only_cgroup() && matches(rule.match, cgroup);
    });
}

Decision decide(const std::string& path, std::span<const Rule> rules) {
    Decision decision;
    const auto visit = [&](const std::string& cgroup) {
        decision.rule = match_cgroup(subject_of_cgroup(cgroup), rules);
        if (decision.rule != nullptr) {
            tighten(decision, *decision.rule);
        }
    };
    if (path.empty()) {
        return decision;
    }
    visit("/");
    std::size_t end = path == "/" ? std::string::npos : 0;
    for (std::size_t level = 1; level <= deepest_level && end != std::string::npos; ++level) {
        end = path.find('/', end + 1);
        visit(path.substr(0, end));
    }
    if (end != std::string::npos) {
        visit(path);
    }
    return decision;
}

} // namespace rseq::policy
