// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/bus_policies.h"

#include "core/escape.h"
#include "daemon/bus_manager.h"
#include "daemon/bus_names.h"
#include "daemon/clock.h"
#include "enforce/unit_name.h"
#include "policy/match.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <iterator>
#include <map>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

namespace rseq::daemon {

namespace {

using enforce::NoteKind;
using policy::Rule;

template <class Word>
std::string word(const std::optional<Word>& value) {
    return value ? std::string(rseq::to_string(*value)) : std::string();
}

std::string word(const std::optional<bool>& value) {
    return !value ? "" : *value ? "on" : "off";
}

std::string text_of(std::string_view untrusted) {
    return replace_invalid_utf8(untrusted);
}

void text_entry(BusWriter& out, const char* key, const std::string& value) {
    out.entry(key, "s", [&] { out.text(value); });
}

void text_entry_if(BusWriter& out, const char* key, const std::string& value) {
    if (!value.empty()) {
        text_entry(out, key, value);
    }
}

void u32_entry(BusWriter& out, const char* key, int value) {
    out.entry(key, "u", [&] { out.u32(static_cast<std::uint32_t>(value)); });
}

void write_match(BusWriter& out, const policy::Match& match) {
    const auto write = [&](const char* key, const std::string& value) {
        out.open('e', "ss");
        out.text(key);
        out.text(value);
        out.close();
    };
    out.open('a', "{ss}");
    if (match.unit) {
        write("unit", text_of(match.unit->pattern()));
    }
    if (match.cgroup) {
        write("cgroup", text_of(match.cgroup->pattern()));
    }
    if (match.exe) {
        write("exe", text_of(match.exe->pattern()));
    }
    if (match.comm) {
        write("comm", text_of(match.comm->pattern()));
    }
    if (match.uid) {
        write("uid", std::to_string(*match.uid));
    }
    out.close();
}

struct RuleState {
    std::string word;
    std::string reason;
};

/// How far a rule is in force, by what applying it has led to.
RuleState state_of(const Rule& rule, const Enforcer& enforcer) {
    if (!enforcer.idle()) {
        return {"pending", {}};
    }
    const Applied& last = enforcer.last();
    for (const enforce::Outcome& outcome : last.outcomes) {
        const bool is_its = outcome.action.rule == rule.name ||
                            (outcome.action.kind == enforce::ActionKind::reload &&
                             rule.enforces() && rule.match.unit);
        if (outcome.error && is_its) {
            return {"failed", outcome.error->message()};
        }
    }
    for (const NoteKind kind : {NoteKind::unenforceable, NoteKind::left_alone, NoteKind::partial}) {
        for (const enforce::Note& note : last.notes) {
            if (note.kind == kind && note.rule == rule.name) {
                return {kind == NoteKind::unenforceable ? "unenforceable" : "partial",
                        note.what + ": " + note.reason};
            }
        }
    }
    return {rule.enforces() ? "enforced" : "expected", {}};
}

struct Tally {
    std::uint32_t comply = 0;
    std::uint32_t do_not = 0;
};

std::map<const Rule*, Tally> tally(const State& state) {
    std::map<const Rule*, Tally> counts;
    if (!state.compliance) {
        return counts;
    }
    for (const registry::Process* const process : state.registry.processes()) {
        const enforce::Compliance compliance = state.compliance(*process);
        if (compliance.verdict == enforce::Verdict::yes) {
            ++counts[compliance.rule].comply;
        } else if (compliance.verdict == enforce::Verdict::no) {
            ++counts[compliance.rule].do_not;
        }
    }
    return counts;
}

void write_rule(BusWriter& out, const Rule& rule, const RuleState& state, const Tally& counts) {
    out.open('r', "ssuua{ss}ssssssuu");
    out.text(rule.name);
    out.text(text_of(rule.origin.file));
    out.u32(static_cast<std::uint32_t>(rule.origin.line));
    out.u32(static_cast<std::uint32_t>(rule.origin.column));
    write_match(out, rule.match);
    out.text(word(rule.mode));
    out.text(word(rule.slice));
    out.text(word(rule.glibc));
    out.text(word(rule.expect));
    out.text(state.word);
    out.text(text_of(state.reason));
    out.u32(counts.comply);
    out.u32(counts.do_not);
    out.close();
}

void write_notes(BusWriter& out, const std::vector<enforce::Note>& notes) {
    out.open('a', RSEQ_DBUS_NOTE);
    for (const enforce::Note& note : notes) {
        out.open('r', "sayssssu");
        out.text(enforce::to_string(note.kind));
        out.bytes(note.target);
        out.text(note.what);
        out.text(text_of(note.reason));
        out.text(note.rule);
        out.text(text_of(note.origin.file));
        out.u32(static_cast<std::uint32_t>(note.origin.line));
        out.close();
    }
    out.close();
}

std::string line_of(const std::optional<enforce::Setting>& setting, const std::string& text) {
    return setting ? enforce::to_line(*setting) : text_of(text);
}

void write_outcome(BusWriter& out, const enforce::Outcome& outcome, bool dry_run) {
    const enforce::Action& action = outcome.action;
    out.open('r', "sayssssuss");
    out.text(enforce::to_string(action.kind));
    out.bytes(action.target);
    out.text(line_of(action.setting, action.text));
    out.text(line_of(action.setting_before, action.text_before));
    out.text(action.rule);
    out.text(text_of(action.origin.file));
    out.u32(static_cast<std::uint32_t>(action.origin.line));
    out.text(outcome.error ? "failed" : dry_run ? "planned" : "done");
    out.text(outcome.error ? text_of(outcome.error->message()) : std::string());
    out.close();
}

/// CLOCK_BOOTTIME to CLOCK_REALTIME, as it is set now.
std::uint64_t realtime_usec(std::uint64_t boottime_ns) {
    const std::uint64_t age = now_ns(CLOCK_BOOTTIME) - boottime_ns;
    return (now_ns(CLOCK_REALTIME) - age) / nsec_per_usec;
}

template <class Word>
void write_written(BusWriter& out, const std::optional<enforce::Written<Word>>& written) {
    out.text(written ? rseq::to_string(written->wrote) : std::string_view());
    out.text(written ? rseq::to_string(written->before) : std::string_view());
}

/// Whether `above` is the cgroup `path` or one that it is in.
bool covers(const std::string& above, const std::string& path) {
    return above == "/" || path == above || path.starts_with(above + "/");
}

void write_held(BusWriter& out, const enforce::Held& held, const std::string& path) {
    out.open('a', RSEQ_DBUS_HELD);
    for (const auto& [cgroup, entry] : held.cgroups) {
        if (path.empty() || (!covers(cgroup, path) && !covers(path, cgroup))) {
            continue;
        }
        out.open('r', "ayssssst");
        out.bytes(cgroup);
        write_written(out, entry.mode);
        write_written(out, entry.slice);
        out.text(entry.rule);
        out.u64(realtime_usec(entry.since_ns));
        out.close();
    }
    out.close();
}

/// The cgroup of a unit: where one of its processes is, or where it would be.
std::string cgroup_of(const std::string& unit, const State& state) {
    for (const registry::Process* const process : state.registry.processes()) {
        if (process->unit().name != unit && process->unit().display_name() != unit) {
            continue;
        }
        // The unit may have cgroups of its own.
        const std::string_view path = process->cgroup_path();
        const std::size_t at = path.find("/" + process->unit().name);
        const std::size_t end = at == std::string_view::npos ? at : path.find('/', at + 1);
        return std::string(path.substr(0, end));
    }
    if (unit.ends_with(".slice")) {
        std::string path = enforce::cgroup_of_unit(unit, "");
        path.pop_back();
        return path;
    }
    return enforce::is_service(unit)
               ? enforce::cgroup_of_unit(enforce::default_slice(unit), unit)
               : std::string();
}

void write_decision(BusWriter& out, const policy::Decision& decision) {
    if (const Rule* const rule = decision.rule; rule != nullptr) {
        text_entry(out, "rule", rule->name);
        text_entry(out, "file", text_of(rule->origin.file));
        u32_entry(out, "line", rule->origin.line);
        u32_entry(out, "column", rule->origin.column);
        text_entry_if(out, "mode", word(rule->mode));
        text_entry_if(out, "slice", word(rule->slice));
        text_entry_if(out, "glibc", word(rule->glibc));
        text_entry_if(out, "expect", word(rule->expect));
    }
    text_entry(out, "effective", rseq::to_string(decision.effective));
    if (decision.mode_rule != nullptr) {
        text_entry(out, "mode_rule", decision.mode_rule->name);
    }
    if (decision.slice_rule != nullptr) {
        text_entry(out, "slice_rule", decision.slice_rule->name);
    }
}

void write_drop_in(BusWriter& out, const Enforcer& enforcer, const std::string& unit) {
    const enforce::DropIns drop_ins = enforcer.drop_ins();
    auto found = drop_ins.find(unit);
    if (found == drop_ins.end()) {
        const auto common = enforce::template_of_instance(unit);
        found = common ? drop_ins.find(*common) : drop_ins.end();
    }
    if (found != drop_ins.end()) {
        text_entry(out, "drop_in",
                   std::string(enforce::drop_in_root) + "/" + found->first + ".d/" +
                       enforce::drop_in_name);
        text_entry(out, "drop_in_text", text_of(found->second));
    }
}

std::vector<enforce::Note> notes_for(const policy::Decision& decision, const Applied& last,
                                     const std::string& unit, const std::string& cgroup) {
    std::vector<enforce::Note> notes;
    std::copy_if(last.notes.begin(), last.notes.end(), std::back_inserter(notes),
                 [&](const enforce::Note& note) {
                     return note.target == unit || note.target == cgroup ||
                            (decision.rule != nullptr && note.rule == decision.rule->name);
                 });
    return notes;
}

/// Answers with what came of a change. The caller may be gone by then, and the connection too.
int answer(sd_bus_message* call, const Result<PolicyChange>& change) {
    if (!change) {
        const Error& error = change.error();
        const char* const name = error.code == EINVAL   ? error_bad_configuration
                                 : error.code == ENOENT ? error_no_such_policy
                                 : error.code == EEXIST ? error_policy_conflict
                                                        : SD_BUS_ERROR_FAILED;
        const bool is_ours = error.code == EINVAL || error.code == ENOENT || error.code == EEXIST;
        const std::string text = text_of(is_ours ? error.context : error.message());
        return ::sd_bus_reply_method_errorf(call, name, "%s", text.c_str());
    }
    sd_bus_message* message = nullptr;
    if (const int result = ::sd_bus_message_new_method_return(call, &message); result < 0) {
        return result;
    }
    const BusMessage owner(message);
    BusWriter out(message);
    write_change(out, *change);
    return out.result() < 0 ? out.result()
                            : ::sd_bus_send(::sd_bus_message_get_bus(call), message, nullptr);
}

/// For a call that has been allowed; it is kept until it is answered.
PolicyDone answer_later(sd_bus_message* call) {
    return [kept = std::shared_ptr<sd_bus_message>(::sd_bus_message_ref(call),
                                                   ::sd_bus_message_unref)](
               const Result<PolicyChange>& change) {
        if (const int result = answer(kept.get(), change); result < 0) {
            ::sd_bus_reply_method_errno(kept.get(), result, nullptr);
        }
    };
}

/// The word in a list; fails the reading if it is none of them.
template <class Value, std::size_t count>
bool take_word(std::optional<Value>& value, const char* text,
               const std::array<std::pair<const char*, Value>, count>& words) {
    for (const auto& [name, one] : words) {
        if (std::string_view(name) == text && !value) {
            value = one;
            return true;
        }
    }
    return false;
}

struct Settings {
    config::UnitPolicy policy;
    std::optional<bool> runtime;
};

bool take_setting(Settings& settings, std::string_view key, const char* text) {
    using Modes = std::array<std::pair<const char*, PolicyMode>, 3>;
    using Slices = std::array<std::pair<const char*, PolicySlice>, 2>;
    using Switch = std::array<std::pair<const char*, bool>, 2>;
    using Expected = std::array<std::pair<const char*, Mode>, 3>;
    if (key == "mode") {
        return take_word(settings.policy.mode, text,
                         Modes{{{"auto", PolicyMode::automatic},
                                {"legacy", PolicyMode::legacy},
                                {"off", PolicyMode::off}}});
    }
    if (key == "slice") {
        return take_word(settings.policy.slice, text,
                         Slices{{{"allow", PolicySlice::allow}, {"deny", PolicySlice::deny}}});
    }
    if (key == "glibc") {
        return take_word(settings.policy.glibc, text, Switch{{{"off", false}, {"on", true}}});
    }
    return key == "expect" &&
           take_word(settings.policy.expect, text,
                     Expected{{{"none", Mode::none}, {"v1", Mode::v1}, {"v2", Mode::v2}}});
}

/// Reads an `a{sv}`. What is unknown, twice there or of another type is an error.
int read_settings(sd_bus_message* call, Settings& settings, sd_bus_error* error) {
    const auto wrong = [&] {
        return ::sd_bus_error_set(error, SD_BUS_ERROR_INVALID_ARGS,
                                  "The settings are mode (auto, legacy, off), slice (allow, deny), "
                                  "glibc (on, off), expect (none, v1, v2) and runtime, a boolean, "
                                  "each once");
    };
    int result = ::sd_bus_message_enter_container(call, 'a', "{sv}");
    while (result >= 0 && (result = ::sd_bus_message_enter_container(call, 'e', "sv")) > 0) {
        const char* key = nullptr;
        result = ::sd_bus_message_read(call, "s", &key);
        if (result < 0) {
            return result;
        }
        if (std::string_view(key) == "runtime") {
            int value = 0;
            if (settings.runtime || ::sd_bus_message_read(call, "v", "b", &value) <= 0) {
                return wrong();
            }
            settings.runtime = value != 0;
        } else {
            const char* text = nullptr;
            if (::sd_bus_message_read(call, "v", "s", &text) <= 0 ||
                !take_setting(settings, key, text)) {
                return wrong();
            }
        }
        result = ::sd_bus_message_exit_container(call);
    }
    return result;
}

} // namespace

void write_policies(BusWriter& out, const State& state) {
    out.open('a', RSEQ_DBUS_POLICY);
    if (state.enforcer != nullptr) {
        auto counts = tally(state);
        for (const Rule& rule : state.enforcer->rules()) {
            write_rule(out, rule, state_of(rule, *state.enforcer), counts[&rule]);
        }
    }
    out.close();
}

void write_policy(BusWriter& out, const State& state, const std::string& target) {
    const bool is_path = target.starts_with('/');
    // As systemctl completes it.
    const std::string unit = is_path ? policy::subject_of_cgroup(target).unit_display
                                     : enforce::service_of(proc::UnitPattern(target)).value_or(target);
    const std::string cgroup = is_path ? target : cgroup_of(unit, state);
    out.open('a', "{sv}");
    text_entry_if(out, "unit", text_of(unit));
    if (!cgroup.empty()) {
        out.entry("cgroup", "ay", [&] { out.bytes(cgroup); });
    }
    if (state.enforcer != nullptr) {
        const Enforcer& enforcer = *state.enforcer;
        policy::Decision decision;
        if (cgroup.empty()) {
            policy::Subject subject;
            subject.unit = unit;
            subject.unit_display = unit;
            decision.rule = policy::match_cgroup(subject, enforcer.rules());
        } else {
            decision = policy::decide(cgroup, enforcer.rules());
        }
        write_decision(out, decision);
        out.entry("held", "a" RSEQ_DBUS_HELD, [&] { write_held(out, enforcer.held(), cgroup); });
        write_drop_in(out, enforcer, unit);
        out.entry("notes", "a" RSEQ_DBUS_NOTE, [&] {
            write_notes(out, notes_for(decision, enforcer.last(), unit, cgroup));
        });
    }
    out.close();
}

void write_change(BusWriter& out, const PolicyChange& change) {
    out.open('a', "{sv}");
    out.entry("files", "as", [&] {
        out.open('a', "s");
        for (const std::string& file : change.files) {
            out.text(text_of(file));
        }
        out.close();
    });
    out.entry("complete", "b", [&] { out.boolean(change.applied.complete()); });
    out.entry("actions", "a" RSEQ_DBUS_ACTION, [&] {
        out.open('a', RSEQ_DBUS_ACTION);
        for (const enforce::Outcome& outcome : change.applied.outcomes) {
            write_outcome(out, outcome, change.applied.dry_run);
        }
        out.close();
    });
    out.entry("notes", "a" RSEQ_DBUS_NOTE, [&] { write_notes(out, change.applied.notes); });
    out.close();
}

int BusManager::list_policies(sd_bus_message* call, sd_bus_error* /*error*/) {
    return callers_.serve(call, [this](sd_bus_message* served, Caller& caller) {
        return callers_.reply(served, caller, [&](BusWriter& out) { write_policies(out, state_); });
    });
}

int BusManager::show_policy(sd_bus_message* call, sd_bus_error* error) {
    constexpr std::size_t longest_path = 4096;
    const void* data = nullptr;
    std::size_t size = 0;
    if (const int result = ::sd_bus_message_read_array(call, 'y', &data, &size); result < 0) {
        return result;
    }
    if (size == 0 || size > longest_path) {
        return ::sd_bus_error_set(error, SD_BUS_ERROR_INVALID_ARGS,
                                  "The target is the name of a unit or the path of a cgroup");
    }
    const std::string target(static_cast<const char*>(data), size);
    return callers_.serve(call, [this, target](sd_bus_message* served, Caller& caller) {
        return callers_.reply(served, caller,
                              [&](BusWriter& out) { write_policy(out, state_, target); });
    });
}

int BusManager::apply_policies(sd_bus_message* call, sd_bus_error* /*error*/) {
    int dry_run = 0;
    if (const int result = ::sd_bus_message_read(call, "b", &dry_run); result < 0) {
        return result;
    }
    return change(call, action_set_policy, [this, dry_run](sd_bus_message* allowed) {
        hooks_.apply_policies(dry_run != 0, answer_later(allowed));
        return 1;
    });
}

int BusManager::set_policy(sd_bus_message* call, sd_bus_error* error) {
    const char* unit = nullptr;
    Settings settings;
    int result = ::sd_bus_message_read(call, "s", &unit);
    if (result >= 0) {
        result = read_settings(call, settings, error);
    }
    if (result < 0) {
        return result;
    }
    return change(call, action_set_policy,
                  [this, name = std::string(unit), settings](sd_bus_message* allowed) {
                      hooks_.set_policy(name, settings.policy,
                                        settings.runtime.value_or(false)
                                            ? config::Lifetime::runtime
                                            : config::Lifetime::permanent,
                                        answer_later(allowed));
                      return 1;
                  });
}

int BusManager::unset_policy(sd_bus_message* call, sd_bus_error* /*error*/) {
    const char* unit = nullptr;
    if (const int result = ::sd_bus_message_read(call, "s", &unit); result < 0) {
        return result;
    }
    return change(call, action_set_policy, [this, name = std::string(unit)](sd_bus_message* allowed) {
        hooks_.unset_policy(name, answer_later(allowed));
        return 1;
    });
}

} // namespace rseq::daemon
