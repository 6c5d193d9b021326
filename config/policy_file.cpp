// SPDX-License-Identifier: GPL-2.0-or-later
#include "config/policy_file.h"

#include "config/document.h"
#include "config/fields.h"
#include "config/load.h"
#include "config/report.h"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

namespace rseq::config {

namespace {

using Keys = std::string_view;
constexpr std::array<Keys, 2> file_keys{"version", "rules"};
constexpr std::array<Keys, 6> rule_keys{"name", "match", "mode", "slice", "glibc", "expect"};
constexpr std::array<Keys, 5> match_keys{"unit", "cgroup", "exe", "comm", "uid"};
/// What only a whole cgroup can be held to.
constexpr std::array<Keys, 3> held_keys{"mode", "slice", "glibc"};
/// What tells one process of a cgroup from another.
constexpr std::array<Keys, 3> process_keys{"exe", "comm", "uid"};

constexpr std::array<PolicyMode, 3> modes{PolicyMode::automatic, PolicyMode::legacy,
                                          PolicyMode::off};
constexpr std::array<PolicySlice, 2> slices{PolicySlice::allow, PolicySlice::deny};
constexpr std::array<bool, 2> switches{false, true};
/// A process that is mixed or unknown is nothing to expect.
constexpr std::array<Mode, 3> expected{Mode::none, Mode::v1, Mode::v2};

std::string_view to_string(bool on) {
    return on ? "on" : "off";
}

/// systemd's limit for names of units, and the characters they consist of (systemd.unit(5)).
constexpr std::size_t longest_name = 255;
constexpr std::string_view name_characters =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789:_.\\@-";

constexpr std::string_view wildcards = "*?[";

std::optional<std::string> read_name(const Field& field, Report& report) {
    auto name = read_text(field, report);
    if (!name) {
        return std::nullopt;
    }
    if (name->size() > longest_name) {
        report.error(field.value->at,
                     "'name' is longer than " + std::to_string(longest_name) + " bytes");
        return std::nullopt;
    }
    if (const std::size_t bad = name->find_first_not_of(name_characters);
        bad != std::string::npos) {
        report.error(field.value->at, "'name' cannot be " + quote(*name),
                     "it consists of letters, digits and : _ . \\ @ -");
        return std::nullopt;
    }
    return name;
}

std::optional<proc::UnitPattern> read_unit(const Field& field, Report& report) {
    auto pattern = read_text(field, report);
    if (!pattern) {
        return std::nullopt;
    }
    // Display names have slashes; the rest is for globs.
    const std::string allowed = std::string(name_characters) + "/*?[]!^";
    if (pattern->find_first_not_of(allowed) != std::string::npos) {
        report.error(field.value->at, quote(*pattern) + " cannot match any unit",
                     "names of units consist of letters, digits and : _ . \\ @ -");
        return std::nullopt;
    }
    return proc::UnitPattern(std::move(*pattern));
}

/// A glob over paths, which always begin with a slash and do not end with one.
std::optional<Glob> read_path(const Field& field, Report& report) {
    auto pattern = read_text(field, report);
    if (!pattern) {
        return std::nullopt;
    }
    if (pattern->front() != '/' && wildcards.find(pattern->front()) == std::string_view::npos) {
        report.error(field.value->at,
                     quote(field.key) + " must begin with a slash, not be " + quote(*pattern),
                     "'*/" + *pattern + "' matches it in every folder");
        return std::nullopt;
    }
    if (pattern->ends_with('/') && (field.key == "exe" || pattern->size() > 1)) {
        report.error(field.value->at,
                     quote(field.key) + " cannot end with a slash: " + quote(*pattern),
                     "put * behind it to match what is below");
        return std::nullopt;
    }
    return Glob(std::move(*pattern));
}

std::optional<Glob> read_comm(const Field& field, Report& report) {
    constexpr std::size_t longest_comm = 15;
    auto pattern = read_text(field, report);
    if (!pattern) {
        return std::nullopt;
    }
    Glob glob(std::move(*pattern));
    if (glob.is_literal() && glob.pattern().size() > longest_comm) {
        report.error(field.value->at,
                     "'comm' is longer than the 15 bytes that the kernel keeps: " +
                         quote(glob.pattern()),
                     "cut it off there");
        return std::nullopt;
    }
    return glob;
}

policy::Match read_match(const Fields& fields, Report& report) {
    policy::Match match;
    if (const Field* const unit = fields.find("unit")) {
        match.unit = read_unit(*unit, report);
    }
    if (const Field* const cgroup = fields.find("cgroup")) {
        match.cgroup = read_path(*cgroup, report);
    }
    if (const Field* const exe = fields.find("exe")) {
        match.exe = read_path(*exe, report);
    }
    if (const Field* const comm = fields.find("comm")) {
        match.comm = read_comm(*comm, report);
    }
    if (const Field* const uid = fields.find("uid")) {
        // 4294967295 is (uid_t)-1, which no process has.
        constexpr std::uint64_t largest_uid = 4294967294;
        if (const auto number = read_number(*uid, 0, largest_uid, report)) {
            match.uid = static_cast<uid_t>(*number);
        }
    }
    return match;
}

/// Reads the word for one of the values.
template <class T, std::size_t N>
std::optional<T> read_value(const Fields& rule, std::string_view key,
                            const std::array<T, N>& values, Report& report) {
    const Field* const field = rule.find(key);
    if (field == nullptr) {
        return std::nullopt;
    }
    std::array<std::string_view, N> words;
    std::transform(values.begin(), values.end(), words.begin(),
                   [](T value) { return to_string(value); });
    const auto index = read_word(*field, words, report);
    return index ? std::optional(values[*index]) : std::nullopt;
}

/// What only a whole cgroup can be held to needs one, and no process of it can be singled out. The
/// keys that are absent decide here, so the match has to be sound.
void check_reach(const Fields& rule, const Fields& match, Report& report) {
    for (const Keys key : held_keys) {
        const Field* const field = rule.find(key);
        if (field == nullptr) {
            continue;
        }
        const auto* const process_key =
            std::find_if(process_keys.begin(), process_keys.end(),
                         [&](Keys candidate) { return match.has(candidate); });
        if (key == "glibc" && !match.has("unit")) {
            report.error(field->at, "'glibc' needs 'unit' in the match",
                         "it is set in the environment of a unit");
        } else if (!match.has("unit") && !match.has("cgroup")) {
            report.error(field->at, quote(key) + " needs 'unit' or 'cgroup' in the match",
                         "only a whole cgroup can be held to it");
        } else if (process_key != process_keys.end()) {
            report.error(field->at,
                         quote(key) + " cannot be together with " + quote(*process_key) +
                             " in the match",
                         "it holds every process of the cgroup; 'expect' can be a rule of its own");
        }
    }
}

/// Combinations of words that no process can satisfy.
void check_words(const policy::Rule& rule, const Fields& fields, Report& report) {
    if (rule.mode == PolicyMode::off && rule.glibc == true) {
        report.error(fields.find("glibc")->at, "'glibc: on' contradicts 'mode: off'",
                     "with 'off' nobody can register");
    }
    const bool impossible =
        rule.expect && ((rule.mode == PolicyMode::off && rule.expect != Mode::none) ||
                        (rule.mode == PolicyMode::legacy && rule.expect == Mode::v2));
    if (impossible) {
        report.error(fields.find("expect")->at,
                     "'expect: " + std::string(to_string(*rule.expect)) +
                         "' contradicts 'mode: " + std::string(to_string(*rule.mode)) + "'",
                     rule.mode == PolicyMode::off ? "with 'off' every process is in mode none"
                                                  : "with 'legacy' no process is in mode v2");
    }
}

class RulesReader {
public:
    RulesReader(Rules& rules, Report& report) : rules_(rules), report_(report) {}

    void read(const Value& node) {
        const Fields fields(node, "a rule", rule_keys, report_);
        if (node.kind != Value::Kind::mapping) {
            return;
        }
        policy::Rule rule;
        rule.origin = {report_.file(), node.at.line, node.at.column};
        read_name(fields, node, rule);
        rule.mode = read_value(fields, "mode", modes, report_);
        rule.slice = read_value(fields, "slice", slices, report_);
        rule.glibc = read_value(fields, "glibc", switches, report_);
        rule.expect = read_value(fields, "expect", expected, report_);
        check_words(rule, fields, report_);
        const bool nothing = !fields.has("mode") && !fields.has("slice") && !fields.has("glibc") &&
                             !fields.has("expect");
        if (nothing && fields.sound()) {
            report_.error(node.at, "the rule does nothing",
                          "give it one of mode, slice, glibc, expect");
        }
        read_match(fields, node, rule);
        rules_.rules.push_back(std::move(rule));
    }

private:
    void read_name(const Fields& fields, const Value& node, policy::Rule& rule) {
        const Field* const field = fields.find("name");
        if (field == nullptr) {
            if (fields.sound()) {
                report_.error(node.at, "the rule has no 'name'");
            }
            return;
        }
        auto name = config::read_name(*field, report_);
        if (!name) {
            return;
        }
        const Position at = field->value->at;
        const auto [known, added] =
            rules_.names.try_emplace(*name, policy::Origin{report_.file(), at.line, at.column});
        if (!added) {
            const policy::Origin& earlier = known->second;
            const std::string where =
                (earlier.file == report_.file() ? "line " : quote(earlier.file) + " line ") +
                std::to_string(earlier.line);
            report_.error(at, "another rule is called " + quote(*name) + " already", where);
        }
        rule.name = std::move(*name);
    }

    void read_match(const Fields& fields, const Value& node, policy::Rule& rule) {
        const Field* const field = fields.find("match");
        if (field == nullptr) {
            if (fields.sound()) {
                report_.error(node.at, "the rule has no 'match'", "it would be for everything");
            }
            return;
        }
        const Fields match(*field->value, "'match'", match_keys, report_);
        rule.match = config::read_match(match, report_);
        if (!match.sound()) {
            return;
        }
        if (match.empty()) {
            report_.error(field->at, "'match' is empty",
                          "it would be for everything; say so with cgroup: '*'");
            return;
        }
        check_reach(fields, match, report_);
    }

    Rules& rules_;
    Report& report_;
};

} // namespace

void read_policy(const std::string& file, std::string_view text, Rules& rules,
                 Diagnostics& diagnostics) {
    Report report(file, text, diagnostics);
    const auto document = parse_document(text, report);
    if (!document) {
        return;
    }
    const auto fields = read_file(*document, "a policy file", file_keys, report);
    if (!fields) {
        return;
    }
    const Field* const list = fields->find("rules");
    if (list == nullptr) {
        if (fields->sound()) {
            report.error(document->at, "'rules' is missing", "'rules: []' is a list of none");
        }
        return;
    }
    const std::vector<Value>* const nodes = read_sequence(*list, report);
    if (nodes == nullptr) {
        return;
    }
    RulesReader reader(rules, report);
    for (const Value& node : *nodes) {
        if (rules.rules.size() >= max_rules) {
            report.error(node.at, "more than " + std::to_string(max_rules) + " rules in all files");
            return;
        }
        reader.read(node);
    }
}

} // namespace rseq::config
