// SPDX-License-Identifier: GPL-2.0-or-later
// org.freedesktop.systemd1(5) describes what is called here.
#include "daemon/bus_handles.h"
#include "daemon/event_source.h"
#include "daemon/log.h"
#include "daemon/service_manager.h"
#include "daemon/systemd_replies.h"

#include <systemd/sd-bus.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <exception>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace rseq::daemon {

namespace {

constexpr const char* service = "org.freedesktop.systemd1";
constexpr const char* manager_path = "/org/freedesktop/systemd1";
constexpr const char* unit_path = "/org/freedesktop/systemd1/unit";
constexpr const char* manager = "org.freedesktop.systemd1.Manager";
constexpr const char* properties = "org.freedesktop.DBus.Properties";

constexpr std::uint64_t usec_per_sec = 1'000'000;
constexpr std::uint64_t call_timeout_usec = 25 * usec_per_sec;
/// systemd runs all generators and reads everything.
constexpr std::uint64_t reload_timeout_usec = 180 * usec_per_sec;
constexpr std::size_t services_at_most = 20000;
constexpr std::size_t questions_at_once = 16;

Error error_of(sd_bus_message* reply, const char* what) {
    const sd_bus_error* const error = ::sd_bus_message_get_error(reply);
    std::string context = std::string("the service manager: ") + what;
    if (error != nullptr && error->message != nullptr) {
        context += std::string(": ") + error->message;
    }
    return {::sd_bus_message_get_errno(reply), std::move(context)};
}

class Systemd : public ServiceManager {
public:
    Systemd(sd_event* loop, std::function<void()> reloaded)
        : loop_(loop), reloaded_(std::move(reloaded)) {}

    void list_services(Answer<std::vector<std::string>> answer) override {
        auto names = std::make_shared<std::vector<std::string>>();
        call({"ListUnitFilesByPatterns", manager, manager_path, call_timeout_usec}, add_patterns,
             [this, names, answer](Result<sd_bus_message*> reply) {
                 if (!reply || !take_names(*reply, "(ss)", *names)) {
                     answer(tl::unexpected<Error>(unexpected(reply)));
                     return;
                 }
                 list_loaded(names, answer);
             });
    }

    void ask(const std::vector<std::string>& services, Answer<Facts> answer) override {
        auto questions = std::make_shared<Questions>();
        questions->services = services;
        questions->answer = std::move(answer);
        for (std::size_t i = 0; i < questions_at_once; ++i) {
            ask_next(questions);
        }
    }

    void reload(Answer<void> answer) override {
        call({"Reload", manager, manager_path, reload_timeout_usec}, nullptr,
             [answer = std::move(answer)](Result<sd_bus_message*> reply) {
                 answer(reply ? Result<void>() : tl::unexpected<Error>(reply.error()));
             });
    }

private:
    struct Method {
        const char* name;
        const char* interface;
        const char* path;
        std::uint64_t timeout_usec;
    };
    using Reply = std::function<void(Result<sd_bus_message*>)>;
    using Append = int (*)(sd_bus_message*);

    /// A call under way.
    struct Call {
        Systemd* owner = nullptr;
        const char* name = nullptr;
        Reply reply;
        BusSlot slot;
        EventSource failure; ///< instead of an answer, if it could not be sent
        Error error;
    };

    /// Facts that are being asked for, some at a time.
    struct Questions {
        std::vector<std::string> services;
        std::size_t next = 0;
        std::size_t under_way = 0;
        Facts facts;
        std::optional<Error> error; ///< of the last one that failed
        Answer<Facts> answer;
    };

    static int add_patterns(sd_bus_message* message) {
        int result = ::sd_bus_message_append(message, "as", 0);
        if (result >= 0) {
            result = ::sd_bus_message_append(message, "as", 1, "*.service");
        }
        return result;
    }

    static bool take_names(sd_bus_message* reply, const char* contents,
                           std::vector<std::string>& names) {
        const int result = read_first_strings(reply, contents, [&](std::string_view path) {
            if (names.size() < services_at_most) {
                names.emplace_back(path.substr(path.rfind('/') + 1));
            }
        });
        return result >= 0;
    }

    static Error unexpected(const Result<sd_bus_message*>& reply) {
        return reply ? Error{EPROTO, "the service manager gave an answer that makes no sense"}
                     : reply.error();
    }

    void list_loaded(std::shared_ptr<std::vector<std::string>> names,
                     Answer<std::vector<std::string>> answer) {
        call({"ListUnitsByPatterns", manager, manager_path, call_timeout_usec}, add_patterns,
             [names, answer = std::move(answer)](Result<sd_bus_message*> reply) {
                 if (!reply || !take_names(*reply, "(ssssssouso)", *names)) {
                     answer(tl::unexpected<Error>(unexpected(reply)));
                     return;
                 }
                 std::sort(names->begin(), names->end());
                 names->erase(std::unique(names->begin(), names->end()), names->end());
                 answer(std::move(*names));
             });
    }

    void ask_next(const std::shared_ptr<Questions>& questions) {
        if (questions->next == questions->services.size()) {
            if (questions->under_way == 0 && questions->answer) {
                const auto answer = std::exchange(questions->answer, nullptr);
                // That none could be told about has one reason.
                answer(questions->facts.empty() && questions->error
                           ? Result<Facts>(tl::unexpected<Error>(*questions->error))
                           : Result<Facts>(std::move(questions->facts)));
            }
            return;
        }
        const std::string& name = questions->services[questions->next++];
        ++questions->under_way;
        char* path = nullptr;
        const int result = ::sd_bus_path_encode(unit_path, name.c_str(), &path);
        const std::string object = path != nullptr ? path : unit_path;
        ::free(path);
        call({"GetAll", properties, object.c_str(), call_timeout_usec}, add_all_interfaces,
             [this, questions, name, result](Result<sd_bus_message*> reply) {
                 --questions->under_way;
                 enforce::UnitFacts facts;
                 if (!reply) {
                     questions->error = reply.error();
                 } else if (result >= 0 && read_facts(*reply, facts) >= 0) {
                     questions->facts.emplace(name, std::move(facts));
                 }
                 ask_next(questions);
             });
    }

    static int add_all_interfaces(sd_bus_message* message) {
        return ::sd_bus_message_append(message, "s", "");
    }

    /// Connected, as far as is known.
    int connect() {
        if (bus_ != nullptr && ::sd_bus_is_open(bus_.get()) > 0) {
            return 0;
        }
        for (Call& lost : calls_) {
            lost.slot.reset();
            fail_later(lost, ECONNRESET);
        }
        reloading_.reset();
        sd_bus* bus = nullptr;
        int result = ::sd_bus_open_system(&bus);
        bus_.reset(bus);
        if (result < 0) {
            return result;
        }
        result = ::sd_bus_attach_event(bus, loop_, SD_EVENT_PRIORITY_NORMAL);
        if (result < 0) {
            return result;
        }
        sd_bus_slot* slot = nullptr;
        result = ::sd_bus_match_signal_async(bus, &slot, service, manager_path, manager,
                                             "Reloading", on_reloading, nullptr, this);
        reloading_.reset(slot);
        if (result < 0) {
            return result;
        }
        // Without a subscriber there are no signals; nothing depends on the answer.
        return ::sd_bus_call_method_async(bus, nullptr, service, manager_path, manager, "Subscribe",
                                          nullptr, nullptr, "");
    }

    void call(const Method& method, Append append, Reply reply) {
        int result = connect();
        Call& made = calls_.emplace_back();
        made.owner = this;
        made.name = method.name;
        made.reply = std::move(reply);
        sd_bus_message* message = nullptr;
        if (result >= 0) {
            result = ::sd_bus_message_new_method_call(bus_.get(), &message, service, method.path,
                                                      method.interface, method.name);
        }
        const BusMessage owner(message);
        if (result >= 0 && append != nullptr) {
            result = append(message);
        }
        if (result >= 0) {
            sd_bus_slot* slot = nullptr;
            result = ::sd_bus_call_async(bus_.get(), &slot, message, on_reply, &made,
                                         method.timeout_usec);
            made.slot.reset(slot);
        }
        if (result < 0) {
            fail_later(made, -result);
        }
    }

    /// Answers come from the loop, those that nobody gave too.
    void fail_later(Call& call, int code) {
        call.error = {code, "cannot reach the service manager"};
        sd_event_source* source = nullptr;
        ::sd_event_add_defer(loop_, &source, on_failure, &call);
        call.failure.reset(source);
    }

    /// Takes the call out of the list, so that its answer can make others.
    void finish(Call& call, const Result<sd_bus_message*>& reply) noexcept {
        std::list<Call> done;
        done.splice(done.end(), calls_,
                    std::find_if(calls_.begin(), calls_.end(),
                                 [&](const Call& one) { return &one == &call; }));
        try {
            call.reply(reply);
        } catch (const std::exception& error) {
            log::write(log::Level::error, error.what());
        }
    }

    static int on_reply(sd_bus_message* reply, void* userdata, sd_bus_error* /*error*/) noexcept {
        auto& call = *static_cast<Call*>(userdata);
        if (::sd_bus_message_is_method_error(reply, nullptr) > 0) {
            call.owner->finish(call, tl::unexpected<Error>(error_of(reply, call.name)));
        } else {
            call.owner->finish(call, reply);
        }
        return 0;
    }

    static int on_failure(sd_event_source* /*source*/, void* userdata) noexcept {
        auto& call = *static_cast<Call*>(userdata);
        call.owner->finish(call, tl::unexpected<Error>(call.error));
        return 0;
    }

    static int on_reloading(sd_bus_message* message, void* userdata,
                            sd_bus_error* /*error*/) noexcept {
        int begins = 0;
        if (::sd_bus_message_read(message, "b", &begins) > 0 && begins == 0) {
            try {
                static_cast<Systemd*>(userdata)->reloaded_();
            } catch (const std::exception& error) {
                log::write(log::Level::error, error.what());
            }
        }
        return 0;
    }

    sd_event* loop_;
    std::function<void()> reloaded_;
    BusConnection bus_;
    BusSlot reloading_;
    std::list<Call> calls_;
};

} // namespace

std::unique_ptr<ServiceManager> make_systemd(sd_event* loop, std::function<void()> reloaded) {
    return std::make_unique<Systemd>(loop, std::move(reloaded));
}

} // namespace rseq::daemon
