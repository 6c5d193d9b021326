// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/bus.h"

#include "daemon/bus_names.h"
#include "daemon/bus_session.h"
#include "daemon/bus_values.h"
#include "daemon/event_source.h"
#include "daemon/log.h"

#include <algorithm>
#include <array>
#include <utility>

namespace rseq::daemon {

namespace {

constexpr std::uint64_t counts_delay_usec = 1'000'000;
constexpr std::uint64_t first_retry_usec = 250'000;
constexpr std::uint64_t last_retry_usec = 10'000'000;

/// What PropertiesChanged told last.
struct Told {
    registry::ProcessCounts processes;
    ModeCounts threads;
    State::Counters counters;
    std::string unknown_reason;

    explicit Told(const State& state)
        : processes(state.registry.process_counts()), threads(state.registry.thread_counts()),
          counters(state.counters), unknown_reason(state.unknown_reason) {}
};

class SystemBus final : public Bus {
public:
    SystemBus(sd_event* loop, const State& state, BusHooks hooks, const BusLimits& limits)
        : loop_(loop), state_(state), hooks_(std::move(hooks)), limits_(limits), told_(state) {}

    Result<void> connect(BusSession::TakeName take_name);

    [[nodiscard]] bool wants(Kind kind) const override;
    void report(const Occurrence& occurrence) override;
    void report_lost(std::uint64_t count) override;
    void counts_changed() override;
    void close() override;

private:
    static int on_counts_due(sd_event_source*, std::uint64_t, void* self) noexcept;
    static int on_retry(sd_event_source*, std::uint64_t, void* self) noexcept;

    void broadcast_violation(const Occurrence& occurrence);
    void tell_counts();
    void lost();
    void has_name();
    void retry();
    void start(EventSource& timer, std::uint64_t usec, std::uint64_t accuracy_usec,
               sd_event_time_handler_t handler);

    sd_event* loop_;
    const State& state_;
    BusHooks hooks_;
    BusLimits limits_;
    Told told_;
    std::unique_ptr<BusSession> session_;
    bool is_up_ = false; ///< has the name
    bool closed_ = false;
    bool counts_due_ = false;
    bool retry_due_ = false;
    std::uint64_t retry_usec_ = first_retry_usec;
    EventSource counts_timer_;
    EventSource retry_timer_;
};

void SystemBus::start(EventSource& timer, std::uint64_t usec, std::uint64_t accuracy_usec,
                      sd_event_time_handler_t handler) {
    sd_event_source* source = nullptr;
    if (::sd_event_add_time_relative(loop_, &source, CLOCK_MONOTONIC, usec, accuracy_usec, handler,
                                     this) >= 0) {
        timer.reset(source);
    }
}

Result<void> SystemBus::connect(BusSession::TakeName take_name) {
    auto session = BusSession::open(loop_, state_, hooks_, limits_, take_name,
                                    {[this] { lost(); },
                                     [this] {
                                         has_name();
                                     }});
    if (!session) {
        return tl::unexpected<Error>(std::move(session.error()));
    }
    session_ = std::move(*session);
    is_up_ = is_up_ || take_name == BusSession::TakeName::now;
    return {};
}

void SystemBus::lost() {
    if (closed_ || retry_due_) {
        return;
    }
    retry_due_ = true;
    if (std::exchange(is_up_, false)) {
        log::message(log::Level::warning, "D-Bus: the connection is lost, and will be made again");
    }
    start(retry_timer_, retry_usec_, retry_usec_ / 4, on_retry);
}

void SystemBus::has_name() {
    is_up_ = true;
    retry_usec_ = first_retry_usec;
    log::message(log::Level::notice, "D-Bus: connected again");
}

int SystemBus::on_retry(sd_event_source* /*source*/, std::uint64_t /*usec*/, void* self) noexcept {
    static_cast<SystemBus*>(self)->retry();
    return 0;
}

void SystemBus::retry() {
    retry_due_ = false;
    session_.reset();
    retry_usec_ = std::min(retry_usec_ * 2, last_retry_usec);
    if (const auto done = connect(BusSession::TakeName::later); !done) {
        log::message(log::Level::debug, "D-Bus: {}", done.error().message());
        retry_due_ = true;
        start(retry_timer_, retry_usec_, retry_usec_ / 4, on_retry);
    }
}

bool SystemBus::wants(Kind kind) const {
    return kind == Kind::violation || (session_ != nullptr && session_->subscribers().wants(kind));
}

void SystemBus::report(const Occurrence& occurrence) {
    if (session_ == nullptr) {
        return;
    }
    session_->subscribers().report(occurrence);
    if (occurrence.kind == Kind::violation) {
        broadcast_violation(occurrence);
    }
}

void SystemBus::broadcast_violation(const Occurrence& occurrence) {
    sd_bus_message* message = nullptr;
    if (::sd_bus_message_new_signal(session_->bus(), &message, bus_path, manager_interface,
                                    "Violation") < 0) {
        return;
    }
    const BusMessage owner(message);
    BusWriter out(message);
    write_violation(out, occurrence);
    if (out.result() >= 0 && session_->callers().admit_broadcast(out.size() + signal_overhead)) {
        ::sd_bus_send(session_->bus(), message, nullptr);
    }
}

void SystemBus::report_lost(std::uint64_t count) {
    if (session_ != nullptr) {
        session_->subscribers().report_lost(count);
    }
}

void SystemBus::counts_changed() {
    if (!counts_due_) {
        counts_due_ = true;
        start(counts_timer_, counts_delay_usec, counts_delay_usec / 4, on_counts_due);
    }
}

int SystemBus::on_counts_due(sd_event_source* /*source*/, std::uint64_t /*usec*/,
                             void* self) noexcept {
    static_cast<SystemBus*>(self)->tell_counts();
    return 0;
}

void SystemBus::tell_counts() {
    counts_due_ = false;
    constexpr std::size_t properties = 10;
    constexpr std::size_t property_size = 64; // and of a reason with its count
    const Told now(state_);
    std::array<const char*, properties + 1> changed{};
    std::size_t count = 0;
    const auto compare = [&](const char* name, const auto& before, const auto& after) {
        if (!(before == after)) {
            changed.at(count++) = name;
        }
    };
    compare("Processes", told_.processes, now.processes);
    compare("Threads", told_.threads, now.threads);
    compare("Registrations", told_.counters.registrations, now.counters.registrations);
    compare("Refusals", told_.counters.refusals, now.counters.refusals);
    compare("Violations", told_.counters.violations, now.counters.violations);
    compare("RefusalReasons", told_.counters.refusal_reasons, now.counters.refusal_reasons);
    compare("ViolationReasons", told_.counters.violation_reasons, now.counters.violation_reasons);
    compare("LostEvents", told_.counters.lost_events, now.counters.lost_events);
    compare("Rescans", told_.counters.rescans, now.counters.rescans);
    compare("UnknownReason", told_.unknown_reason, now.unknown_reason);
    const std::size_t values = count + now.counters.refusal_reasons.all().size() +
                               now.counters.violation_reasons.all().size();
    if (count == 0 || session_ == nullptr ||
        !session_->callers().admit_broadcast(signal_overhead + values * property_size +
                                             now.unknown_reason.size())) {
        return;
    }
    // sd-bus does not change the strings.
    if (::sd_bus_emit_properties_changed_strv(session_->bus(), bus_path, manager_interface,
                                              const_cast<char**>(changed.data())) >= 0) {
        told_ = now;
    }
}

void SystemBus::close() {
    closed_ = true;
    if (session_ != nullptr) {
        session_->flush();
        session_.reset();
    }
    counts_timer_.reset();
    retry_timer_.reset();
}

} // namespace

Result<std::unique_ptr<Bus>> Bus::open(sd_event* loop, const State& state, BusHooks hooks,
                                       const BusLimits& limits) {
    auto bus = std::make_unique<SystemBus>(loop, state, std::move(hooks), limits);
    if (auto done = bus->connect(BusSession::TakeName::now); !done) {
        return tl::unexpected<Error>(std::move(done.error()));
    }
    return bus;
}

} // namespace rseq::daemon
