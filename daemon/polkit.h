// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include "daemon/bus_callers.h"
#include "daemon/bus_handles.h"
#include "daemon/bus_limits.h"

#include <cstdint>
#include <functional>
#include <list>
#include <string>

namespace rseq::daemon {

/// Asks polkit whether callers may do what they ask for. Root may everything, without polkit too.
class Polkit {
public:
    using Run = std::function<int(sd_bus_message* call)>;

    /// The bus has to outlive the result.
    Polkit(sd_bus* bus, const PolkitLimits& limits) : bus_(bus), limits_(limits) {}
    Polkit(const Polkit&) = delete;
    Polkit& operator=(const Polkit&) = delete;
    ~Polkit() = default;

    /// Has `run` called with `call` once it is certain that the caller may do `action`, and never
    /// otherwise: the call is then answered with an error, unless the caller is gone. Returns what
    /// a method handler of sd-bus returns. An error of `run` becomes the answer.
    int authorize(sd_bus_message* call, const Caller& caller, const char* action, Run run);

    /// Drops the questions of a caller who is gone, and has polkit drop them.
    void forget(const Caller& caller);

private:
    struct Question {
        Polkit* owner = nullptr;
        BusMessage call;
        std::string caller;
        uid_t uid = 0;
        Run run;
        std::string cancellation_id;
        BusSlot slot;
    };

    static int on_answer(sd_bus_message* reply, void* question, sd_bus_error*) noexcept;
    int ask(Question& question, const char* action);
    void finish(Question& question, sd_bus_message* reply);
    void cancel(const Question& question);
    std::list<Question>::iterator position_of(const Question& question);

    sd_bus* bus_;
    PolkitLimits limits_;
    std::list<Question> questions_;
    std::uint64_t last_id_ = 0;
};

} // namespace rseq::daemon
