// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/log_control.h"

#include "daemon/bus_names.h"
#include "daemon/log.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace rseq::daemon {

namespace {

constexpr const char* log_path = "/org/freedesktop/LogControl1";
constexpr const char* log_interface = "org.freedesktop.LogControl1";

/// By their numbers in syslog(3).
constexpr std::array<const char*, 8> level_words{"emerg",   "alert",  "crit", "err",
                                                 "warning", "notice", "info", "debug"};

template <class Text>
int append(sd_bus_message* reply, Text text) {
    return ::sd_bus_message_append_basic(reply, 's', text);
}

int get_level(sd_bus*, const char*, const char*, const char*, sd_bus_message* reply, void*,
              sd_bus_error*) noexcept {
    const int level = std::clamp(log::max_level(), 0, static_cast<int>(level_words.size()) - 1);
    return append(reply, level_words.at(static_cast<std::size_t>(level)));
}

int get_target(sd_bus*, const char*, const char*, const char*, sd_bus_message* reply, void*,
               sd_bus_error*) noexcept {
    return append(reply, "auto");
}

int get_identifier(sd_bus*, const char*, const char*, const char*, sd_bus_message* reply, void*,
                   sd_bus_error*) noexcept {
    return append(reply, "rseq-compatd");
}

/// Never called: on_call() has taken the message by then.
int set_nothing(sd_bus*, const char*, const char*, const char*, sd_bus_message*, void*,
                sd_bus_error* error) noexcept {
    return ::sd_bus_error_set(error, SD_BUS_ERROR_ACCESS_DENIED, nullptr);
}

/// Who may is decided in on_call(), not by sd-bus.
constexpr std::uint64_t writable = SD_BUS_VTABLE_UNPRIVILEGED;

const sd_bus_vtable vtable[] = {
    SD_BUS_VTABLE_START(0),
    SD_BUS_WRITABLE_PROPERTY("LogLevel", "s", get_level, set_nothing, 0, writable),
    SD_BUS_WRITABLE_PROPERTY("LogTarget", "s", get_target, set_nothing, 0, writable),
    SD_BUS_PROPERTY("SyslogIdentifier", "s", get_identifier, 0, 0),
    SD_BUS_VTABLE_END,
};

} // namespace

int LogControl::on_call(sd_bus_message* call, sd_bus_error* error) {
    const char* interface = nullptr;
    const char* name = nullptr;
    const char* value = nullptr;

    if (::sd_bus_message_is_method_call(call, "org.freedesktop.DBus.Properties", "Set") <= 0) {
        return 0;
    }
    if (::sd_bus_message_read(call, "ss", &interface, &name) <= 0 ||
        std::string_view(interface) != log_interface ||
        (std::string_view(name) != "LogLevel" && std::string_view(name) != "LogTarget") ||
        ::sd_bus_message_read(call, "v", "s", &value) <= 0) {
        // sd-bus finds out what is wrong, and says so.
        return std::min(::sd_bus_message_rewind(call, 1), 0);
    }
    if (std::string_view(name) == "LogTarget") {
        return ::sd_bus_error_set(error, SD_BUS_ERROR_NOT_SUPPORTED,
                                  "Messages go to the journal if standard error does");
    }
    const auto* const word =
        std::find(level_words.begin(), level_words.end(), std::string_view(value));
    if (word == level_words.end()) {
        return ::sd_bus_error_set(error, SD_BUS_ERROR_INVALID_ARGS,
                                  "The levels are emerg, alert, crit, err, warning, notice, info, "
                                  "debug");
    }
    const int level = static_cast<int>(word - level_words.begin());
    return callers_.serve_user(call, [this, level](sd_bus_message* served, Caller& caller) {
        return polkit_.authorize(served, caller, action_set_log_level,
                                 [level](sd_bus_message* allowed) {
                                     log::set_max_level(level);
                                     return ::sd_bus_reply_method_return(allowed, "");
                                 });
    });
}

Result<void> LogControl::attach() {
    sd_bus_slot* slot = nullptr;
    int result = ::sd_bus_add_object(callers_.bus(), &slot, log_path,
                                     bus_callback<&LogControl::on_call>, this);
    if (result >= 0) {
        setter_.reset(slot);
        result = ::sd_bus_add_object_vtable(callers_.bus(), &slot, log_path, log_interface, vtable,
                                            this);
    }
    if (result < 0) {
        return fail(-result, "cannot put the log control on the bus");
    }
    properties_.reset(slot);
    return {};
}

} // namespace rseq::daemon
