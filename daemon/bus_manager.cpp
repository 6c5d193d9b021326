// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/bus_manager.h"

#include "core/slice_length.h"
#include "daemon/bus_names.h"
#include "daemon/bus_policies.h"
#include "daemon/bus_values.h"

#include <algorithm>
#include <cerrno>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace rseq::daemon {

namespace {

/// How many processes a caller can name at once.
constexpr std::size_t most_pids = 4096;

int invalid(sd_bus_error* error, const char* text) {
    return ::sd_bus_error_set(error, SD_BUS_ERROR_INVALID_ARGS, text);
}

int no_such_process(sd_bus_message* call, std::uint32_t pid) {
    return ::sd_bus_reply_method_errorf(call, error_no_such_process, "There is no process %u", pid);
}

struct ListOptions {
    bool kernel_threads = false;
};

/// Reads an `a{sv}`. What is unknown, twice there or of another type is an error, and reading ends.
int read_options(sd_bus_message* call, ListOptions& options, sd_bus_error* error) {
    bool seen = false;
    int result = ::sd_bus_message_enter_container(call, 'a', "{sv}");
    while (result >= 0 && (result = ::sd_bus_message_enter_container(call, 'e', "sv")) > 0) {
        const char* key = nullptr;
        int value = 0;
        result = ::sd_bus_message_read(call, "s", &key);
        if (result < 0) {
            break;
        }
        if (std::string_view(key) != "kernel_threads" || std::exchange(seen, true)) {
            return invalid(error, "The only option is kernel_threads, once");
        }
        if (::sd_bus_message_read(call, "v", "b", &value) <= 0) {
            return invalid(error, "Option kernel_threads is a boolean");
        }
        options.kernel_threads = value != 0;
        result = ::sd_bus_message_exit_container(call);
    }
    return result < 0 ? result : ::sd_bus_message_exit_container(call);
}

/// Reads an `as` of kinds into a set of bits.
int read_kinds(sd_bus_message* call, std::uint16_t& wanted, sd_bus_error* error) {
    int result = ::sd_bus_message_enter_container(call, 'a', "s");
    for (std::size_t count = 0; result >= 0; ++count) {
        const char* word = nullptr;
        result = ::sd_bus_message_read_basic(call, 's', static_cast<void*>(&word));
        if (result <= 0) {
            break;
        }
        const auto kind = count < kinds ? parse_kind(word) : std::nullopt;
        if (!kind) {
            return invalid(error, "The kinds are registration, unregistration, refusal, policy, "
                                  "violation, exec, exit, slice, each once");
        }
        wanted |= Subscribers::bit(*kind);
    }
    return result < 0 ? result : ::sd_bus_message_exit_container(call);
}

} // namespace

int BusManager::list_processes(sd_bus_message* call, sd_bus_error* error) {
    ListOptions options;
    if (const int result = read_options(call, options, error); result < 0) {
        return result;
    }
    return callers_.serve(call, [this, options](sd_bus_message* served, Caller& caller) {
        return callers_.reply(served, caller, [&](BusWriter& out) {
            hooks_.refresh();
            out.open('a', RSEQ_DBUS_PROCESS);
            for (const registry::Process* process : state_.registry.processes()) {
                if (options.kernel_threads || !process->kernel_thread) {
                    write_process(out, state_, *process);
                }
            }
            out.close();
        });
    });
}

int BusManager::list_threads(sd_bus_message* call, sd_bus_error* error) {
    const void* data = nullptr;
    std::size_t size = 0;
    if (const int result = ::sd_bus_message_read_array(call, 'u', &data, &size); result < 0) {
        return result;
    }
    const std::span<const std::uint32_t> asked(static_cast<const std::uint32_t*>(data),
                                               size / sizeof(std::uint32_t));
    if (asked.size() > most_pids) {
        return invalid(error, "That are too many processes; an empty list means all of them");
    }
    std::vector<std::uint32_t> pids(asked.begin(), asked.end());
    std::sort(pids.begin(), pids.end());
    pids.erase(std::unique(pids.begin(), pids.end()), pids.end());

    return callers_.serve(
        call, 2 * size, [this, pids = std::move(pids)](sd_bus_message* served, Caller& caller) {
            return callers_.reply(served, caller, [&](BusWriter& out) {
                hooks_.refresh();
                out.open('a', RSEQ_DBUS_THREAD);
                const auto write = [&](const registry::Process& process) {
                    for (const registry::Thread* thread : state_.registry.threads(process)) {
                        write_thread(out, process, *thread);
                    }
                };
                if (pids.empty()) {
                    for (const registry::Process* process : state_.registry.processes()) {
                        if (!process->kernel_thread) {
                            write(*process);
                        }
                    }
                }
                for (const std::uint32_t pid : pids) {
                    if (const auto* process = state_.registry.find(static_cast<pid_t>(pid))) {
                        write(*process);
                    }
                }
                out.close();
            });
        });
}

int BusManager::get_process(sd_bus_message* call, sd_bus_error* /*error*/) {
    std::uint32_t pid = 0;
    if (const int result = ::sd_bus_message_read(call, "u", &pid); result < 0) {
        return result;
    }
    return callers_.serve(call, [this, pid](sd_bus_message* served, Caller& caller) {
        hooks_.refresh();
        const registry::Process* const process = state_.registry.find(static_cast<pid_t>(pid));
        if (process == nullptr) {
            return no_such_process(served, pid);
        }
        return callers_.reply(
            served, caller, [&](BusWriter& out) { write_process_by_name(out, state_, *process); });
    });
}

int BusManager::list_violations(sd_bus_message* call, sd_bus_error* /*error*/) {
    return callers_.serve(call, [this](sd_bus_message* served, Caller& caller) {
        return callers_.reply(served, caller, [&](BusWriter& out) {
            out.open('a', RSEQ_DBUS_VIOLATION);
            for (const Occurrence& violation : state_.violations) {
                write_violation(out, violation);
            }
            out.close();
        });
    });
}

int BusManager::set_kinds(sd_bus_message* call, std::uint16_t wanted) {
    return callers_.serve_user(call, [this, wanted](sd_bus_message* served, Caller& caller) {
        if (!subscribers_.set(caller, wanted)) {
            return ::sd_bus_reply_method_errorf(served, SD_BUS_ERROR_LIMITS_EXCEEDED,
                                                "There are too many subscribers");
        }
        return ::sd_bus_reply_method_return(served, "");
    });
}

int BusManager::subscribe(sd_bus_message* call, sd_bus_error* error) {
    std::uint16_t wanted = 0;
    if (const int result = read_kinds(call, wanted, error); result < 0) {
        return result;
    }
    return set_kinds(call, wanted);
}

int BusManager::unsubscribe(sd_bus_message* call, sd_bus_error* /*error*/) {
    return set_kinds(call, 0);
}

int BusManager::change(sd_bus_message* call, const char* action, Polkit::Run run) {
    return callers_.serve_user(
        call, [this, action, run = std::move(run)](sd_bus_message* served, Caller& caller) {
            return polkit_.authorize(served, caller, action, run);
        });
}

int BusManager::rescan(sd_bus_message* call, sd_bus_error* /*error*/) {
    return change(call, action_rescan, [this](sd_bus_message* allowed) {
        const auto done = hooks_.rescan();
        return done ? ::sd_bus_reply_method_return(allowed, "")
                    : ::sd_bus_reply_method_errorf(allowed, SD_BUS_ERROR_FAILED, "%s",
                                                   done.error().message().c_str());
    });
}

int BusManager::reload(sd_bus_message* call, sd_bus_error* /*error*/) {
    return change(call, action_reload, [this](sd_bus_message* allowed) {
        const auto done = hooks_.reload();
        return done ? ::sd_bus_reply_method_return(allowed, "")
                    : ::sd_bus_reply_method_errorf(allowed, error_bad_configuration, "%s",
                                                   done.error().context.c_str());
    });
}

int BusManager::set_slice_length(sd_bus_message* call, sd_bus_error* error) {
    std::uint32_t length_ns = 0;
    int runtime = 0;
    if (const int result = ::sd_bus_message_read(call, "ub", &length_ns, &runtime); result < 0) {
        return result;
    }
    if (length_ns < least_slice_ns || length_ns > most_slice_ns) {
        return invalid(error, "A slice is 5000 to 50000 nanoseconds long");
    }
    const auto lifetime = runtime != 0 ? config::Lifetime::runtime : config::Lifetime::permanent;
    return change(call, action_set_slice_length,
                  [this, length_ns, lifetime](sd_bus_message* allowed) {
                      const auto file = hooks_.set_slice_length(length_ns, lifetime);
                      return file ? ::sd_bus_reply_method_return(allowed, "s", file->c_str())
                                  : reply_failure(allowed, file.error().code, file.error().context);
                  });
}

} // namespace rseq::daemon
