// SPDX-License-Identifier: GPL-2.0-or-later
// The methods that are about policies.
#include "core/parse.h"
#include "daemon/bus_manager.h"
#include "daemon/bus_names.h"
#include "daemon/bus_policies.h"
#include "enforce/cgroup_tree.h"
#include "enforce/unit_name.h"

#include <array>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>

namespace rseq::daemon {

namespace {

/// Whose unit it is may stand before it: `user@1000/app.service`.
constexpr std::size_t longest_display_name = 2 * enforce::longest_unit_name;
constexpr std::size_t longest_path = 4096; // PATH_MAX

/// Answers with what came of a change. The caller may be gone by then, and the connection too.
int answer(sd_bus_message* call, const Result<PolicyChange>& change) {
    if (!change) {
        return reply_failure(call, change.error().code, config::text_of(change.error()));
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
    return result < 0 ? result : ::sd_bus_message_exit_container(call);
}

/// Reads the name of a unit. It is kept before it is known whether the caller may name one.
int read_unit(sd_bus_message* call, const char*& unit, sd_bus_error* error) {
    const int result = ::sd_bus_message_read(call, "s", &unit);
    if (result >= 0 && std::string_view(unit).size() > enforce::longest_unit_name) {
        return ::sd_bus_error_set(error, SD_BUS_ERROR_INVALID_ARGS,
                                  "The name of a unit has at most 255 bytes");
    }
    return result;
}

/// Whether a cgroup can have this path, which begins with a slash.
bool is_cgroup_path(std::string_view path) {
    return enforce::is_plain_path(path) && path.size() <= longest_path &&
           (path == "/" || !path.ends_with('/'));
}

/// Whether it is worth a look: anybody may ask, and each dash in the name of a slice is a cgroup.
bool is_target(std::string_view target) {
    return target.starts_with('/') ? is_cgroup_path(target)
                                   : !target.empty() && target.size() <= longest_display_name;
}

} // namespace

int BusManager::list_policies(sd_bus_message* call, sd_bus_error* /*error*/) {
    return callers_.serve(call, [this](sd_bus_message* served, Caller& caller) {
        return callers_.reply(served, caller, [&](BusWriter& out) { write_policies(out, state_); });
    });
}

int BusManager::show_policy(sd_bus_message* call, sd_bus_error* error) {
    const void* data = nullptr;
    std::size_t size = 0;
    if (const int result = ::sd_bus_message_read_array(call, 'y', &data, &size); result < 0) {
        return result;
    }
    if (!is_target({static_cast<const char*>(data), size})) {
        return ::sd_bus_error_set(error, SD_BUS_ERROR_INVALID_ARGS,
                                  "The target is the name of a unit, of at most 510 bytes, or the "
                                  "path of a cgroup, of at most 4096 bytes, without empty "
                                  "components, . and ..");
    }
    const std::string target(static_cast<const char*>(data), size);
    return callers_.serve(
        call, size + target.size(), [this, target](sd_bus_message* served, Caller& caller) {
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
    int result = read_unit(call, unit, error);
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

int BusManager::unset_policy(sd_bus_message* call, sd_bus_error* error) {
    const char* unit = nullptr;
    if (const int result = read_unit(call, unit, error); result < 0) {
        return result;
    }
    return change(call, action_set_policy,
                  [this, name = std::string(unit)](sd_bus_message* allowed) {
                      hooks_.unset_policy(name, answer_later(allowed));
                      return 1;
                  });
}

} // namespace rseq::daemon
