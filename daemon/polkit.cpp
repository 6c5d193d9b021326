// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/polkit.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

/// The interface is described in polkit's reference manual, org.freedesktop.PolicyKit1.Authority.
namespace rseq::daemon {

namespace {

constexpr const char* service = "org.freedesktop.PolicyKit1";
constexpr const char* path = "/org/freedesktop/PolicyKit1/Authority";
constexpr const char* interface = "org.freedesktop.PolicyKit1.Authority";
constexpr std::uint32_t allow_user_interaction = 1;

/// What a bus says when nobody has the name and nobody could be started for it.
bool is_absent(const sd_bus_error* error) {
    static constexpr std::array<const char*, 6> names{
        SD_BUS_ERROR_SERVICE_UNKNOWN,
        SD_BUS_ERROR_NAME_HAS_NO_OWNER,
        "org.freedesktop.DBus.Error.Spawn.ServiceNotFound",
        "org.freedesktop.DBus.Error.Spawn.ExecFailed",
        "org.freedesktop.systemd1.NoSuchUnit",
        "org.freedesktop.systemd1.UnitMasked",
    };
    return std::any_of(names.begin(), names.end(),
                       [&](const char* name) { return ::sd_bus_error_has_name(error, name) > 0; });
}

int deny(sd_bus_message* call, const char* reason) {
    return ::sd_bus_reply_method_errorf(call, SD_BUS_ERROR_ACCESS_DENIED, "%s", reason);
}

} // namespace

int Polkit::authorize(sd_bus_message* call, const Caller& caller, const char* action, Run run) {
    if (caller.is_root()) {
        return run(call);
    }
    const auto of_user =
        std::count_if(questions_.begin(), questions_.end(),
                      [&](const Question& q) { return q.uid == caller.uid().value(); });
    if (questions_.size() >= limits_.questions ||
        static_cast<std::size_t>(of_user) >= limits_.questions_per_user) {
        return ::sd_bus_reply_method_errorf(call, SD_BUS_ERROR_LIMITS_EXCEEDED,
                                            "Too many requests wait for an authorization");
    }
    Question& question = questions_.emplace_back();
    question.owner = this;
    question.call = keep(call);
    question.caller = caller.name();
    question.uid = caller.uid().value();
    question.run = std::move(run);
    question.cancellation_id =
        "rseq-compatd-" + std::to_string(::getpid()) + "-" + std::to_string(++last_id_);
    const int result = ask(question, action);
    if (result < 0) {
        questions_.pop_back();
        return result;
    }
    return 1;
}

int Polkit::ask(Question& question, const char* action) {
    const bool interactive =
        ::sd_bus_message_get_allow_interactive_authorization(question.call.get()) > 0;
    sd_bus_message* message = nullptr;
    int result = ::sd_bus_message_new_method_call(bus_, &message, service, path, interface,
                                                  "CheckAuthorization");
    if (result < 0) {
        return result;
    }
    const BusMessage owner(message);
    result = ::sd_bus_message_append(
        message, "(sa{sv})sa{ss}us", "system-bus-name", 1, "name", "s", question.caller.c_str(),
        action, 0, interactive ? allow_user_interaction : 0U, question.cancellation_id.c_str());
    if (result < 0) {
        return result;
    }
    sd_bus_slot* slot = nullptr;
    result =
        ::sd_bus_call_async(bus_, &slot, message, on_answer, &question,
                            interactive ? limits_.interactive_timeout_usec : limits_.timeout_usec);
    question.slot.reset(slot);
    return result;
}

int Polkit::on_answer(sd_bus_message* reply, void* userdata, sd_bus_error* /*error*/) noexcept {
    auto& question = *static_cast<Question*>(userdata);
    question.owner->finish(question, reply);
    return 0;
}

void Polkit::finish(Question& question, sd_bus_message* reply) {
    // Out of the list first: `run` may make somebody ask again.
    std::list<Question> done;
    done.splice(done.end(), questions_, position_of(question));
    sd_bus_message* const call = question.call.get();

    if (const sd_bus_error* const error = ::sd_bus_message_get_error(reply); error != nullptr) {
        if (is_absent(error)) {
            deny(call, "polkit is not there, and without it only root may do this");
        } else if (::sd_bus_error_has_name(error, SD_BUS_ERROR_NO_REPLY) > 0 ||
                   ::sd_bus_error_has_name(error, SD_BUS_ERROR_TIMEOUT) > 0) {
            cancel(question);
            deny(call, "polkit did not answer in time");
        } else {
            ::sd_bus_reply_method_errorf(call, SD_BUS_ERROR_ACCESS_DENIED,
                                         "polkit could not tell whether you may do this: %s",
                                         error->message != nullptr ? error->message : error->name);
        }
        return;
    }
    int authorized = 0;
    int challenge = 0;
    if (::sd_bus_message_enter_container(reply, 'r', "bba{ss}") <= 0 ||
        ::sd_bus_message_read(reply, "bb", &authorized, &challenge) <= 0) {
        deny(call, "polkit gave an answer that makes no sense");
    } else if (authorized != 0) {
        if (const int result = question.run(call); result < 0) {
            ::sd_bus_reply_method_errno(call, result, nullptr);
        }
    } else if (challenge != 0 && ::sd_bus_message_get_allow_interactive_authorization(call) == 0) {
        ::sd_bus_reply_method_errorf(call, SD_BUS_ERROR_INTERACTIVE_AUTHORIZATION_REQUIRED,
                                     "polkit asks for a password, and you did not allow it to");
    } else {
        deny(call, "polkit does not let you do this");
    }
}

void Polkit::cancel(const Question& question) {
    // Whether it could be cancelled makes no difference to us.
    static_cast<void>(::sd_bus_call_method_async(bus_, nullptr, service, path, interface,
                                                 "CancelCheckAuthorization", nullptr, nullptr, "s",
                                                 question.cancellation_id.c_str()));
}

void Polkit::forget(const Caller& caller) {
    for (auto one = questions_.begin(); one != questions_.end();) {
        if (one->caller == caller.name()) {
            cancel(*one);
            one = questions_.erase(one);
        } else {
            ++one;
        }
    }
}

std::list<Polkit::Question>::iterator Polkit::position_of(const Question& question) {
    return std::find_if(questions_.begin(), questions_.end(),
                        [&](const Question& one) { return &one == &question; });
}

} // namespace rseq::daemon
