// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/policy_bus.h"

#include "cli/message_reader.h"

#include <algorithm>
#include <cerrno>
#include <climits>
#include <optional>
#include <string_view>
#include <utility>

namespace rseq::cli {

namespace {

using enforce::ActionReport;
using enforce::ChangeReport;
using enforce::DropInReport;
using enforce::HeldReport;
using enforce::NoteReport;
using enforce::RuleReport;
using enforce::TargetReport;

// More than there can be.
constexpr std::size_t word_limit = 256;
constexpr std::size_t clause_limit = 8192;
constexpr std::size_t path_limit = PATH_MAX;
constexpr std::size_t text_limit = 65536;

constexpr const char* rule_type = "ssuua{ss}ssssssuu";
constexpr const char* action_type = "sayssssuss";
constexpr const char* note_type = "sayssssu";
constexpr const char* held_type = "ayssssst";
constexpr const char* drop_in_type = "sss";

/// A line or a column: not more than an int can hold.
int number(std::uint32_t value) {
    return static_cast<int>(std::min<std::uint32_t>(value, INT_MAX));
}

RuleReport read_rule(MessageReader& in) {
    RuleReport rule;
    rule.name = in.string(word_limit);
    rule.origin.file = in.string(path_limit);
    rule.origin.line = number(in.u32());
    rule.origin.column = number(in.u32());
    if (in.enter('a', "{ss}")) {
        while (in.enter('e', "ss")) {
            std::string key = in.string(word_limit);
            rule.match.emplace_back(std::move(key), in.string(path_limit));
            in.leave();
        }
        in.leave();
    } else {
        in.refuse();
    }
    for (std::string* const word :
         {&rule.mode, &rule.slice, &rule.glibc, &rule.expect, &rule.state}) {
        *word = in.string(word_limit);
    }
    rule.reason = in.string(clause_limit);
    rule.comply = in.u32();
    rule.do_not_comply = in.u32();
    return rule;
}

NoteReport read_note(MessageReader& in) {
    NoteReport note;
    note.kind = in.string(word_limit);
    note.target = in.bytes(path_limit);
    note.what = in.string(word_limit);
    note.reason = in.string(clause_limit);
    note.rule = in.string(word_limit);
    note.file = in.string(path_limit);
    note.line = number(in.u32());
    return note;
}

ActionReport read_action(MessageReader& in) {
    ActionReport action;
    action.kind = in.string(word_limit);
    action.target = in.bytes(path_limit);
    action.wanted = in.string(text_limit);
    action.before = in.string(text_limit);
    action.rule = in.string(word_limit);
    action.file = in.string(path_limit);
    action.line = number(in.u32());
    action.state = in.string(word_limit);
    action.error = in.string(clause_limit);
    return action;
}

HeldReport read_held(MessageReader& in) {
    HeldReport held;
    held.cgroup = in.bytes(path_limit);
    for (std::string* const word :
         {&held.mode, &held.mode_before, &held.slice, &held.slice_before, &held.rule}) {
        *word = in.string(word_limit);
    }
    held.since_usec = in.u64();
    return held;
}

DropInReport read_drop_in(MessageReader& in) {
    DropInReport drop_in;
    drop_in.unit = in.string(path_limit);
    drop_in.path = in.string(path_limit);
    drop_in.text = in.string(text_limit);
    return drop_in;
}

/// The rows of an array in a variant.
template <class Row>
std::vector<Row> variant_rows(MessageReader& in, const std::string& members,
                              Row (*read)(MessageReader&)) {
    return variant(in, ("a(" + members + ")").c_str(), [&](MessageReader& inner) {
        std::vector<Row> rows;
        read_rows(inner, members, [&](MessageReader& row) { rows.push_back(read(row)); });
        return rows;
    });
}

std::vector<std::string> variant_strings(MessageReader& in) {
    return variant(in, "as", [](MessageReader& inner) {
        std::vector<std::string> texts;
        if (inner.enter('a', "s")) {
            while (auto text = inner.next_string(path_limit)) {
                texts.push_back(std::move(*text));
            }
            inner.leave();
        } else {
            inner.refuse();
        }
        return texts;
    });
}

/// The member that has the value, if it is a text of the report.
std::string* text_member(TargetReport& report, std::string_view name) {
    return name == "unit"         ? &report.unit
           : name == "rule"       ? &report.rule
           : name == "file"       ? &report.origin.file
           : name == "mode"       ? &report.mode
           : name == "slice"      ? &report.slice
           : name == "glibc"      ? &report.glibc
           : name == "expect"     ? &report.expect
           : name == "effective"  ? &report.effective
           : name == "mode_rule"  ? &report.mode_rule
           : name == "slice_rule" ? &report.slice_rule
                                  : nullptr;
}

bool read_target_member(std::string_view name, MessageReader& in, TargetReport& report) {
    if (std::string* const text = text_member(report, name); text != nullptr) {
        *text = variant_string(in, path_limit);
    } else if (name == "cgroup") {
        report.cgroup =
            variant(in, "ay", [](MessageReader& inner) { return inner.bytes(path_limit); });
    } else if (name == "line") {
        report.origin.line = number(variant_u32(in));
    } else if (name == "column") {
        report.origin.column = number(variant_u32(in));
    } else if (name == "held") {
        report.held = variant_rows(in, held_type, read_held);
    } else if (name == "drop_ins") {
        report.drop_ins = variant_rows(in, drop_in_type, read_drop_in);
    } else if (name == "notes") {
        report.notes = variant_rows(in, note_type, read_note);
    } else {
        return false;
    }
    return true;
}

/// A change that was made, but whose result makes no sense.
Error whole(Error error) {
    error.context = error.message();
    return error;
}

template <class Append>
Result<ChangeReport> change(Client& client, const char* member, const Append& append) {
    return client.change(member, append).and_then([](const Message& reply) {
        return decode_change(reply.get()).map_error(whole);
    });
}

int append_entry(sd_bus_message* call, const char* key, const char* value) {
    return sd_bus_message_append(call, "{sv}", key, "s", value);
}

int append_settings(sd_bus_message* call, const config::UnitPolicy& policy,
                    config::Lifetime lifetime) {
    int done = sd_bus_message_open_container(call, 'a', "{sv}");
    const auto add = [&](const char* key, std::string_view word) {
        done = done < 0 ? done : append_entry(call, key, std::string(word).c_str());
    };
    if (policy.mode) {
        add("mode", to_string(*policy.mode));
    }
    if (policy.slice) {
        add("slice", to_string(*policy.slice));
    }
    if (policy.glibc) {
        add("glibc", *policy.glibc ? "on" : "off");
    }
    if (policy.expect) {
        add("expect", to_string(*policy.expect));
    }
    if (done >= 0 && lifetime == config::Lifetime::runtime) {
        done = sd_bus_message_append(call, "{sv}", "runtime", "b", 1);
    }
    return done < 0 ? done : sd_bus_message_close_container(call);
}

} // namespace

Result<std::vector<RuleReport>> decode_policies(sd_bus_message* reply) {
    const std::string what = "the list of policies";
    if (auto right = check_types(reply, array_of(rule_type), what); !right) {
        return tl::unexpected<Error>(std::move(right.error()));
    }
    std::vector<RuleReport> rules;
    MessageReader in(reply);
    read_rows(in, rule_type, [&](MessageReader& row) { rules.push_back(read_rule(row)); });
    return in.finish(what).map([&] { return std::move(rules); });
}

Result<TargetReport> decode_policy(sd_bus_message* reply) {
    const std::string what = "the policy";
    if (auto right = check_types(reply, "a{sv}", what); !right) {
        return tl::unexpected<Error>(std::move(right.error()));
    }
    TargetReport report;
    MessageReader in(reply);
    read_members(in, [&](std::string_view name, MessageReader& value) {
        return read_target_member(name, value, report);
    });
    return in.finish(what).map([&] { return std::move(report); });
}

Result<ChangeReport> decode_change(sd_bus_message* reply) {
    const std::string what = "what came of the change";
    if (auto right = check_types(reply, "a{sv}", what); !right) {
        return tl::unexpected<Error>(std::move(right.error()));
    }
    ChangeReport report;
    std::optional<bool> complete;
    MessageReader in(reply);
    read_members(in, [&](std::string_view name, MessageReader& value) {
        if (name == "files") {
            report.files = variant_strings(value);
        } else if (name == "complete") {
            complete = variant(value, "b", [](MessageReader& inner) { return inner.boolean(); });
        } else if (name == "actions") {
            report.actions = variant_rows(value, action_type, read_action);
        } else if (name == "notes") {
            report.notes = variant_rows(value, note_type, read_note);
        } else {
            return false;
        }
        return true;
    });
    if (!complete) {
        in.refuse(); // not there
    }
    report.complete = complete.value_or(false);
    return in.finish(what).map([&] { return std::move(report); });
}

Result<std::vector<RuleReport>> list_policies(Client& client) {
    return client.call("ListPolicies", [](sd_bus_message*) { return 0; })
        .and_then([](const Message& reply) { return decode_policies(reply.get()); });
}

Result<TargetReport> show_policy(Client& client, const std::string& target) {
    return client
        .call("ShowPolicy",
              [&](sd_bus_message* call) {
                  return sd_bus_message_append_array(call, 'y', target.data(), target.size());
              })
        .and_then([](const Message& reply) { return decode_policy(reply.get()); });
}

Result<ChangeReport> apply_policies(Client& client, bool dry_run) {
    return change(client, "ApplyPolicies", [dry_run](sd_bus_message* call) {
        return sd_bus_message_append(call, "b", static_cast<int>(dry_run));
    });
}

Result<ChangeReport> set_policy(Client& client, const std::string& unit,
                                const config::UnitPolicy& policy, config::Lifetime lifetime) {
    return change(client, "SetPolicy", [&](sd_bus_message* call) {
        const int done = sd_bus_message_append_basic(call, 's', unit.c_str());
        return done < 0 ? done : append_settings(call, policy, lifetime);
    });
}

Result<ChangeReport> unset_policy(Client& client, const std::string& unit) {
    return change(client, "UnsetPolicy", [&](sd_bus_message* call) {
        return sd_bus_message_append_basic(call, 's', unit.c_str());
    });
}

} // namespace rseq::cli
