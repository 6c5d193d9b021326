// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include "core/result.h"
#include "enforce/plan_units.h"

#include <systemd/sd-event.h>

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace rseq::daemon {

/// What the enforcer asks of systemd. Every answer comes later, from the event loop, and once; none
/// comes after the object is gone.
class ServiceManager {
public:
    template <class T>
    using Answer = std::function<void(Result<T>)>;
    using Facts = std::map<std::string, enforce::UnitFacts>;

    ServiceManager() = default;
    ServiceManager(const ServiceManager&) = delete;
    ServiceManager& operator=(const ServiceManager&) = delete;
    virtual ~ServiceManager() = default;

    /// Names of the services that are loaded or have a file.
    virtual void list_services(Answer<std::vector<std::string>> answer) = 0;
    /// The facts of these services, at least one; one that cannot be told about is left out.
    virtual void ask(const std::vector<std::string>& services, Answer<Facts> answer) = 0;
    /// Has all unit files and drop-ins read anew. May take seconds.
    virtual void reload(Answer<void> answer) = 0;
};

/// systemd on the system bus, org.freedesktop.systemd1. Connects when it is first asked, and again
/// after the connection was lost. `reloaded` is called after all files have been read anew, because
/// of reload() too, and then before that is answered.
[[nodiscard]] std::unique_ptr<ServiceManager> make_systemd(sd_event* loop,
                                                           std::function<void()> reloaded);

} // namespace rseq::daemon
