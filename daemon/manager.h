// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include "config/load.h"
#include "core/result.h"
#include "daemon/bus.h"
#include "daemon/enforcer.h"
#include "daemon/event_source.h"
#include "daemon/journal.h"
#include "daemon/paced_poll.h"
#include "daemon/state.h"
#include "proc/proc_reader.h"
#include "trace/reader.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>

namespace rseq::daemon {

struct Options {
    std::string config_root;              ///< as for config::load()
    std::string instance = "rseq-compat"; ///< name of the tracefs instance
    EnforcerPlaces places;                ///< where policies are enforced
};

/// Wires everything together: events and scans into the registry, what comes of them to the bus and
/// the journal. One thread, one loop.
class Manager {
public:
    /// Finds out what kernel this is, subscribes to its events, takes the first scan and the name
    /// on the bus, and tells the service manager that it is ready. Fails where the kernel cannot be
    /// followed, or somebody else follows it.
    static Result<std::unique_ptr<Manager>> start(config::Configuration configuration,
                                                  Options options);

    Manager(const Manager&) = delete;
    Manager& operator=(const Manager&) = delete;
    ~Manager();

    /// Until SIGTERM or SIGINT. Fails if the kernel's events cannot be read any more.
    Result<void> run();

private:
    Manager(config::Configuration configuration, Options options, EventLoop loop,
            proc::ProcReader proc, KernelFacts facts);

    Result<void> attach_signals();
    Result<void> attach_timers();
    Result<void> attach_trace();
    Result<void> attach_enforcer();
    Result<void> attach_bus();

    /// Reads and applies all events that there are. True if more have to be expected.
    bool drain();
    void apply(const Event& event, std::int64_t realtime_offset_ns);
    void tell(const registry::Change& change, std::int64_t realtime_offset_ns);
    [[nodiscard]] bool is_of(const registry::Change& change, const snapshot::Process& seen) const;
    void count(Kind kind, const Event& event);
    /// Reads what events do not tell of the processes that have just turned up.
    void settle();
    void tell_incomplete();
    Result<void> scan();
    Result<void> reconcile(const snapshot::Options& wanted);
    void note_lost(std::uint64_t count);
    void schedule_rescan();
    void schedule_flush();
    /// `done` is called when the policies of the new configuration have been applied; not at all if
    /// there is an error.
    Result<void> reload(Enforcer::Done done = {});

    void apply_slice_length() const;

    // manager_policy.cpp
    void attach_policies(BusHooks& hooks);
    /// What applying the policies of the files, as they are now, would do. As reload().
    Result<void> plan_policies(Enforcer::Done done);
    void note_for_policies(const registry::Change& change);
    /// Looks whether the processes that executed something, or changed their mode, comply.
    void check_touched();
    void report_if_escaped(const registry::Process& process, bool executed);
    [[nodiscard]] bool prepares_service(const registry::Process& process) const;
    [[nodiscard]] enforce::Compliance compliance_of(const registry::Process& process);
    [[nodiscard]] std::optional<uid_t> uid_of(const registry::Process& process) const;
    void tell_who_has_to_be_restarted();

    static int on_stop(sd_event_source* source, const struct signalfd_siginfo* info,
                       void* self) noexcept;
    static int on_reload(sd_event_source* source, const struct signalfd_siginfo* info,
                         void* self) noexcept;
    static int on_rescan(sd_event_source* source, std::uint64_t usec, void* self) noexcept;
    static int on_flush(sd_event_source* source, std::uint64_t usec, void* self) noexcept;

    Options options_;
    config::Configuration configuration_;
    EventLoop loop_;
    proc::ProcReader proc_;
    State state_;
    Journal journal_;
    std::optional<trace::Reader> reader_;
    std::unique_ptr<Enforcer> enforcer_; ///< null until the first scan
    std::unique_ptr<Bus> bus_;
    std::unique_ptr<PacedPoll> poll_;
    EventSource stop_term_;
    EventSource stop_int_;
    EventSource reload_;
    EventSource rescan_;
    EventSource flush_;
    bool rescan_scheduled_ = false;
    bool told_incomplete_ = false;
    /// Events were lost, and no scan has told yet what of.
    bool in_doubt_ = false;
    /// Processes to be looked at, and whether it is for an execve(2).
    std::unordered_map<pid_t, bool> touched_;
    std::uint64_t rescan_pause_usec_ = 0;
};

} // namespace rseq::daemon
