// SPDX-License-Identifier: GPL-2.0-or-later
#include "config/write.h"

#include "config/files.h"
#include "config/load.h"
#include "config/policy_file.h"
#include "core/escape.h"
#include "core/file.h"
#include "policy/match.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <ctime>
#include <utility>

namespace rseq::config {

namespace {

constexpr const char* folder = "policy.d";
constexpr mode_t file_mode = 0644;
constexpr const char* lock_name = ".lock"; // no name of a policy file
constexpr int lock_tries = 100;
constexpr long lock_wait_ns = 20'000'000;
constexpr std::size_t unit_limit = 255;

bool is_name_character(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view(":-_.\\@").find(c) != std::string_view::npos;
}

/// The unit's name in what only names of units may be in.
std::string escaped(const std::string& unit) {
    constexpr std::string_view digits = "0123456789abcdef";
    std::string text;
    for (const char c : unit) {
        if (is_name_character(c)) {
            text += c;
        } else {
            const auto byte = static_cast<unsigned char>(c);
            text += "\\x";
            text += digits[byte >> 4U];
            text += digits[byte & 15U];
        }
    }
    return text;
}

/// As systemctl completes it.
std::string with_suffix(const std::string& unit) {
    constexpr std::array<std::string_view, 11> suffixes{
        ".service", ".socket", ".device", ".mount", ".automount", ".swap",
        ".target",  ".path",   ".timer",  ".slice", ".scope"};
    const bool has_suffix =
        std::any_of(suffixes.begin(), suffixes.end(),
                    [&](std::string_view suffix) { return unit.ends_with(suffix); });
    const bool is_name = std::all_of(unit.begin(), unit.end(), is_name_character);
    return has_suffix || !is_name ? unit : unit + ".service";
}

std::string in_quotes(std::string_view text) {
    std::string result = "\"";
    for (const char c : text) {
        if (c == '"' || c == '\\') {
            result += '\\';
        }
        result += c;
    }
    return result + "\"";
}

Result<void> check_unit(const std::string& unit) {
    const bool printable =
        std::all_of(unit.begin(), unit.end(), [](char c) { return c > ' ' && c <= '~'; });
    if (unit.empty() || unit.size() > unit_limit || !printable) {
        return fail(EINVAL, "not the name of a unit: " + escape_untrusted(unit));
    }
    return {};
}

/// A folder of policies, locked for whoever else changes something in it.
class LockedFolder {
public:
    static Result<LockedFolder> open(const std::string& path) {
        LockedFolder result;
        auto fd = open_directory(path);
        if (!fd) {
            return tl::unexpected<Error>(std::move(fd.error()));
        }
        result.fd_ = std::move(*fd);
        // Not the folder, which everybody can open and lock.
        constexpr mode_t nobody_else = 0600;
        result.lock_.reset(::openat(result.fd_.get(), lock_name,
                                    O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, nobody_else));
        if (!result.lock_) {
            return fail_errno("cannot make " + path + "/" + lock_name);
        }
        for (int tries = 0; ::flock(result.lock_.get(), LOCK_EX | LOCK_NB) != 0; ++tries) {
            if (errno != EWOULDBLOCK && errno != EINTR) {
                return fail_errno("cannot lock " + path);
            }
            if (tries == lock_tries) {
                return fail(EBUSY, "somebody else is changing policies in " + path);
            }
            const timespec wait{0, lock_wait_ns};
            ::nanosleep(&wait, nullptr);
        }
        return result;
    }

    [[nodiscard]] int fd() const { return fd_.get(); }

private:
    UniqueFd fd_;
    UniqueFd lock_;
};

/// A change that has not been made: this file with that text, or without it.
struct Change {
    std::string path;
    std::optional<std::string> text;
};

/// The rules of all policy files as they would be after the change.
Loaded<std::vector<policy::Rule>> rules_after(const std::string& root, const Change& change) {
    Diagnostics diagnostics;
    std::vector<std::string> paths = find_fragments(root, folder, diagnostics);
    const std::string name = file_name(change.path);
    const auto before = [](const std::string& path, const std::string& other) {
        return file_name(path) < other;
    };
    auto at = std::lower_bound(paths.begin(), paths.end(), name, before);
    const bool is_there = at != paths.end() && file_name(*at) == name;
    if (change.text && is_there) {
        *at = change.path;
    } else if (change.text) {
        paths.insert(at, change.path);
    } else if (is_there && *at == change.path) {
        // The same file in a weaker folder comes to light when this one goes.
        at = paths.erase(at);
        const std::string rest = std::string("/rseq-compat/") + folder + "/" + name;
        for (const char* const weaker : {"/run", "/usr/lib"}) {
            const std::string path = std::string(root).append(weaker).append(rest);
            if (path != change.path && ::access(path.c_str(), F_OK) == 0) {
                paths.insert(at, path);
                break;
            }
        }
    }
    Reader reader(diagnostics);
    Rules rules;
    for (const std::string& path : paths) {
        const auto text = change.text && path == change.path ? change.text : reader.read(path);
        if (text) {
            read_policy(path, *text, rules, diagnostics);
        }
    }
    if (!diagnostics.empty()) {
        return tl::unexpected(std::move(diagnostics));
    }
    return std::move(rules.rules);
}

/// Whether this is a rule as set_policy() writes it.
bool is_plain(const policy::Rule& rule, const std::string& unit) {
    return rule.match == policy::Match{.unit = proc::UnitPattern(unit)};
}

/// What an earlier call wrote; nothing if the file is not there.
Result<std::optional<policy::Rule>> rule_in(const std::string& path, const std::string& unit) {
    const auto text = read_file(AT_FDCWD, path.c_str(), max_file_bytes);
    if (!text) {
        return text.error().code == ENOENT ? Result<std::optional<policy::Rule>>(std::nullopt)
                                           : tl::unexpected<Error>(text.error());
    }
    const auto rules = parse_policy(path, *text);
    if (!rules || rules->size() != 1 || !is_plain(rules->front(), unit)) {
        return fail(EEXIST, path + " has been edited and is more than the rule for " + unit +
                                ": change it with an editor");
    }
    return rules->front();
}

policy::Subject subject_of(const std::string& unit) {
    policy::Subject subject;
    subject.unit = unit;
    subject.unit_display = unit;
    return subject;
}

std::string place_of(const policy::Rule& rule) {
    return rule.origin.file + ":" + std::to_string(rule.origin.line) + ":" +
           std::to_string(rule.origin.column);
}

/// Whether the rule in this file decides for the unit.
Result<void> check_precedence(const std::vector<policy::Rule>& rules, const std::string& unit,
                              const std::string& path) {
    if (!proc::UnitPattern(unit).is_literal()) {
        return {}; // it is for many units, and may be the first one for some of them
    }
    const policy::Rule* const first = policy::match_cgroup(subject_of(unit), rules);
    if (first != nullptr && first->origin.file != path) {
        return fail(EEXIST, "the rule " + first->name + " at " + place_of(*first) +
                                " comes first and decides for " + unit);
    }
    return {};
}

UnitPolicy merge(UnitPolicy policy, const std::optional<policy::Rule>& earlier) {
    if (earlier) {
        policy.mode = policy.mode ? policy.mode : earlier->mode;
        policy.slice = policy.slice ? policy.slice : earlier->slice;
        policy.glibc = policy.glibc ? policy.glibc : earlier->glibc;
        policy.expect = policy.expect ? policy.expect : earlier->expect;
    }
    return policy;
}

Result<void> remove(const LockedFolder& locked, const std::string& path) {
    if (::unlinkat(locked.fd(), file_name(path).c_str(), 0) != 0 || ::fsync(locked.fd()) != 0) {
        return fail_errno("cannot remove " + path);
    }
    return {};
}

} // namespace

std::string text_of(const Error& error) {
    const bool says_all = error.code == EINVAL || error.code == ENOENT || error.code == EEXIST ||
                          error.code == ENODEV;
    return says_all ? error.context : error.message();
}

std::string policy_file_name(const std::string& unit) {
    return "60-" + escaped(with_suffix(unit)) + ".yaml";
}

std::string policy_file_text(const std::string& unit, const std::string& name,
                             const UnitPolicy& policy) {
    std::string text =
        "# Written by `rseqctl policy set`, which keeps no comments. It may be edited, "
        "or removed\n# with `rseqctl policy unset " +
        unit +
        "`; rseq-compat.yaml(5) explains it.\n"
        "version: 1\n"
        "rules:\n"
        "  - name: " +
        in_quotes(name) + "\n    match: { unit: " + in_quotes(unit) + " }\n";
    const auto line = [&](const char* key, std::string_view value) {
        text += "    " + std::string(key) + ": " + std::string(value) + "\n";
    };
    if (policy.mode) {
        line("mode", to_string(*policy.mode));
    }
    if (policy.slice) {
        line("slice", to_string(*policy.slice));
    }
    if (policy.glibc) {
        line("glibc", *policy.glibc ? "on" : "off");
    }
    if (policy.expect) {
        line("expect", to_string(*policy.expect));
    }
    return text;
}

Result<std::string> set_policy(const std::string& root, const std::string& unit,
                               const UnitPolicy& policy, Lifetime lifetime) {
    if (auto good = check_unit(unit); !good) {
        return tl::unexpected<Error>(std::move(good.error()));
    }
    if (policy.empty()) {
        return fail(EINVAL, "there is nothing to be set for " + unit);
    }
    const std::string full = with_suffix(unit);
    const std::string name = policy_file_name(unit);
    const std::string where = folder_for(root, lifetime, folder);
    const std::string path = where + "/" + name;
    if (auto shown = check_not_hidden(root, lifetime, folder, name); !shown) {
        return tl::unexpected<Error>(std::move(shown.error()));
    }
    if (auto made = make_folder(where); !made) {
        return tl::unexpected<Error>(std::move(made.error()));
    }
    const auto locked = LockedFolder::open(where);
    if (!locked) {
        return tl::unexpected<Error>(locked.error());
    }
    const auto earlier = rule_in(path, full);
    if (!earlier) {
        return tl::unexpected<Error>(earlier.error());
    }
    const std::string rule_name = *earlier ? (*earlier)->name : "set-" + escaped(full);
    const Change change{path, policy_file_text(full, rule_name, merge(policy, *earlier))};
    const auto rules = rules_after(root, change);
    if (!rules) {
        return fail(EINVAL, "not set, because there are errors in the policies:\n" +
                                text_of(rules.error()));
    }
    if (auto first = check_precedence(*rules, full, path); !first) {
        return tl::unexpected<Error>(std::move(first.error()));
    }
    if (auto done = replace_file(locked->fd(), name, *change.text, file_mode); !done) {
        return fail(done.error().code, done.error().context + " in " + where);
    }
    return path;
}

Result<std::vector<std::string>> unset_policy(const std::string& root, const std::string& unit) {
    if (auto good = check_unit(unit); !good) {
        return tl::unexpected<Error>(std::move(good.error()));
    }
    const std::string full = with_suffix(unit);
    std::vector<std::string> removed;
    // The weaker folder first: until the other one goes, nothing changes.
    for (const Lifetime lifetime : {Lifetime::runtime, Lifetime::permanent}) {
        const std::string where = folder_for(root, lifetime, folder);
        const std::string path = where + "/" + policy_file_name(unit);
        if (::access(path.c_str(), F_OK) != 0) {
            continue;
        }
        const auto locked = LockedFolder::open(where);
        if (!locked) {
            return tl::unexpected<Error>(locked.error());
        }
        const auto earlier = rule_in(path, full);
        if (!earlier) {
            return tl::unexpected<Error>(earlier.error());
        }
        if (const auto rules = rules_after(root, {path, std::nullopt}); !rules) {
            return fail(EINVAL, "not removed, because there are errors in the other policies:\n" +
                                    text_of(rules.error()));
        }
        if (auto done = *earlier ? remove(*locked, path) : Result<void>(); !done) {
            return tl::unexpected<Error>(std::move(done.error()));
        }
        if (*earlier) {
            removed.push_back(path);
        }
    }
    if (removed.empty()) {
        std::string context = "no policy has been set for " + full;
        const auto rules = rules_after(root, {"/-", std::nullopt});
        const policy::Rule* const rule =
            rules ? policy::match_cgroup(subject_of(full), *rules) : nullptr;
        if (rule != nullptr) {
            context += "; it has the rule " + rule->name + " of " + place_of(*rule);
        }
        return fail(ENOENT, std::move(context));
    }
    return removed;
}

} // namespace rseq::config
