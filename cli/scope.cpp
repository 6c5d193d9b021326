// SPDX-License-Identifier: GPL-2.0-or-later
// org.freedesktop.systemd1(5) describes what is called here.
#include "cli/scope.h"

#include "cli/message_reader.h"
#include "core/escape.h"

#include <systemd/sd-bus.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <ctime>
#include <string_view>
#include <utility>

namespace rseq::cli {

namespace {

constexpr const char* service = "org.freedesktop.systemd1";
constexpr const char* object = "/org/freedesktop/systemd1";
constexpr const char* manager = "org.freedesktop.systemd1.Manager";
/// As long as systemd may take to start a unit.
constexpr std::uint64_t limit_usec = 90'000'000;

struct CloseBus {
    void operator()(sd_bus* bus) const noexcept { sd_bus_flush_close_unref(bus); }
};

/// What came of the job that we wait for.
struct Job {
    std::string path; ///< empty until it is known
    std::string result;
    std::string result_of; ///< path of the last job that ended
};

/// No other one has it: a number is not given again in the same microsecond.
std::string scope_name() {
    timespec now{};
    ::clock_gettime(CLOCK_BOOTTIME, &now);
    return "rseqctl-run-" + std::to_string(::getpid()) + "-" +
           std::to_string(now.tv_sec * 1'000'000 + now.tv_nsec / 1000) + ".scope";
}

int append_arguments(sd_bus_message* call, const std::string& name,
                     const std::string& description) {
    int done = sd_bus_message_append(call, "ss", name.c_str(), "fail");
    done = done < 0 ? done : sd_bus_message_open_container(call, 'a', "(sv)");
    done = done < 0 ? done
                    : sd_bus_message_append(call, "(sv)", "Description", "s", description.c_str());
    done = done < 0 ? done
                    : sd_bus_message_append(call, "(sv)", "PIDs", "au", 1,
                                            static_cast<std::uint32_t>(::getpid()));
    // A scope that failed is not kept until somebody looks at it.
    done = done < 0 ? done
                    : sd_bus_message_append(call, "(sv)", "CollectMode", "s", "inactive-or-failed");
    done = done < 0 ? done : sd_bus_message_close_container(call);
    return done < 0 ? done : sd_bus_message_append(call, "a(sa(sv))", 0);
}

int on_job_removed(sd_bus_message* signal, void* userdata, sd_bus_error* /*error*/) noexcept {
    auto& job = *static_cast<Job*>(userdata);
    std::uint32_t id = 0;
    const char* path = nullptr;
    const char* unit = nullptr;
    const char* result = nullptr;
    if (sd_bus_message_read(signal, "uoss", &id, &path, &unit, &result) > 0 &&
        (job.path.empty() || job.path == path)) {
        try {
            job.result_of = path;
            job.result = result;
        } catch (...) { // out of memory: as if the signal had not come
            job.result_of.clear();
        }
    }
    return 0;
}

Error failure(int code, const sd_bus_error& error) {
    const std::string_view words = error.message != nullptr ? error.message : "";
    return {code, "cannot start a scope" +
                      (words.empty() ? std::string() : " (" + std::string(words) + ")")};
}

Result<void> wait_for(sd_bus* bus, const Job& job) {
    while (job.result_of != job.path) {
        int done = sd_bus_process(bus, nullptr);
        if (done == 0) {
            done = sd_bus_wait(bus, limit_usec);
            if (done == 0) {
                return fail(ETIMEDOUT, "systemd has not started the scope");
            }
        }
        if (done < 0 && done != -EINTR) {
            return fail(-done, "cannot wait for systemd");
        }
    }
    return job.result == "done" ? Result<void>()
                                : fail(ECANCELED, "the scope was not started: " + job.result);
}

} // namespace

std::string describe_scope(const std::vector<std::string>& command) {
    constexpr std::size_t limit = 200;
    std::string description = "rseqctl run --";
    for (const std::string& word : command) {
        description += " " + escape_untrusted(word);
    }
    description.resize(std::min(description.size(), limit));
    return replace_invalid_utf8(description); // the last character may have been cut in two
}

Result<void> enter_scope(const std::string& description) {
    sd_bus* opened = nullptr;
    int done = sd_bus_open_system(&opened);
    const std::unique_ptr<sd_bus, CloseBus> bus(opened);
    if (done < 0) {
        return fail(-done, "cannot reach the system bus");
    }
    Job job;
    // Before the job exists: it may end at any time after that.
    done = sd_bus_match_signal(opened, nullptr, service, object, manager, "JobRemoved",
                               on_job_removed, &job);
    sd_bus_message* created = nullptr;
    done = done < 0 ? done
                    : sd_bus_message_new_method_call(opened, &created, service, object, manager,
                                                     "StartTransientUnit");
    const Message call(created);
    const std::string name = scope_name();
    done = done < 0 ? done : append_arguments(created, name, description);
    sd_bus_error error = SD_BUS_ERROR_NULL;
    sd_bus_message* received = nullptr;
    done = done < 0 ? done : sd_bus_call(opened, created, limit_usec, &error, &received);
    const Message reply(received);
    const char* path = nullptr;
    done = done < 0 ? done : sd_bus_message_read(received, "o", &path);
    if (done < 0) {
        auto result = failure(-done, error);
        sd_bus_error_free(&error);
        return tl::unexpected<Error>(std::move(result));
    }
    job.path = path;
    return wait_for(opened, job);
}

} // namespace rseq::cli
