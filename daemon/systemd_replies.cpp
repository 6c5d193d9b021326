// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/systemd_replies.h"

#include "enforce/unit_files.h"

#include <climits>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

namespace rseq::daemon {

int read_first_strings(sd_bus_message* reply, const char* contents,
                       const std::function<void(const char* text)>& take) {
    int result = ::sd_bus_message_enter_container(reply, 'a', contents);
    const std::string members(contents + 1, contents + std::string_view(contents).size() - 1);
    while (result >= 0 &&
           (result = ::sd_bus_message_enter_container(reply, 'r', members.c_str())) > 0) {
        const char* text = nullptr;
        result = ::sd_bus_message_read_basic(reply, 's', static_cast<void*>(&text));
        if (result > 0) {
            take(text);
            result = ::sd_bus_message_skip(reply, members.c_str() + 1);
        }
        if (result >= 0) {
            result = ::sd_bus_message_exit_container(reply);
        }
    }
    // Of the array, which may be one value of many.
    return result < 0 ? result : ::sd_bus_message_exit_container(reply);
}

namespace {

int read_environment_files(sd_bus_message* reply, bool& set) {
    return read_first_strings(reply, "(sb)",
                              [&](const char* path) { set = set || enforce::sets_tunables(path); });
}

int read_environment(sd_bus_message* reply, std::vector<std::string>& environment) {
    char** list = nullptr;
    const int result = ::sd_bus_message_read_strv(reply, &list);
    for (char** one = list; result >= 0 && one != nullptr && *one != nullptr; ++one) {
        environment.emplace_back(*one);
    }
    for (char** one = list; one != nullptr && *one != nullptr; ++one) {
        ::free(*one);
    }
    ::free(list);
    return result;
}

int read_filter(sd_bus_message* reply, bool& allow_list) {
    int allows = 0;
    int result = ::sd_bus_message_enter_container(reply, 'r', "bas");
    if (result >= 0) {
        result = ::sd_bus_message_read(reply, "b", &allows);
    }
    allow_list = allows != 0;
    if (result >= 0) {
        result = ::sd_bus_message_skip(reply, "as");
    }
    return result < 0 ? result : ::sd_bus_message_exit_container(reply);
}

int read_text(sd_bus_message* reply, std::string& value) {
    const char* text = nullptr;
    const int result = ::sd_bus_message_read_basic(reply, 's', static_cast<void*>(&text));
    if (result > 0) {
        value = text;
    }
    return result;
}

/// One property out of the answer of GetAll; the variant has been entered.
int read_property(sd_bus_message* reply, std::string_view name, const char* type,
                  enforce::UnitFacts& facts) {
    const std::string_view signature = type;
    if (name == "Id" && signature == "s") {
        return read_text(reply, facts.id);
    }
    if (name == "Slice" && signature == "s") {
        return read_text(reply, facts.slice);
    }
    if (name == "Environment" && signature == "as") {
        return read_environment(reply, facts.environment);
    }
    if (name == "EnvironmentFiles" && signature == "a(sb)") {
        return read_environment_files(reply, facts.tunables_in_file);
    }
    if (name == "SystemCallFilter" && signature == "(bas)") {
        return read_filter(reply, facts.allow_list);
    }
    if (name == "SystemCallErrorNumber" && signature == "i") {
        const int result = ::sd_bus_message_read(reply, "i", &facts.filter_error);
        facts.filter_error = facts.filter_error == INT_MAX ? 0 : facts.filter_error; // "kill"
        return result;
    }
    return ::sd_bus_message_skip(reply, type);
}

} // namespace

int read_facts(sd_bus_message* reply, enforce::UnitFacts& facts) {
    int result = ::sd_bus_message_enter_container(reply, 'a', "{sv}");
    while (result >= 0 && (result = ::sd_bus_message_enter_container(reply, 'e', "sv")) > 0) {
        const char* name = nullptr;
        const char* type = nullptr;
        result = ::sd_bus_message_read(reply, "s", &name);
        if (result >= 0) {
            result = ::sd_bus_message_peek_type(reply, nullptr, &type);
        }
        if (result >= 0) {
            result = ::sd_bus_message_enter_container(reply, 'v', type);
        }
        if (result >= 0) {
            result = read_property(reply, name, type, facts);
        }
        if (result >= 0) {
            result = ::sd_bus_message_exit_container(reply);
        }
        if (result >= 0) {
            result = ::sd_bus_message_exit_container(reply);
        }
    }
    return result;
}

} // namespace rseq::daemon
