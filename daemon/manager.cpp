// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/manager.h"

#include "core/file.h"
#include "core/slice_length.h"
#include "daemon/clock.h"
#include "daemon/log.h"
#include "daemon/privileges.h"
#include "verify/classify.h"

#include <malloc.h>
#include <sys/signalfd.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <exception>
#include <utility>

namespace rseq::daemon {

namespace {

/// How long events are left to gather while there are many.
constexpr std::uint64_t drain_step_usec = 5000;

Journal::Limit journal_limit(const config::Settings& settings) {
    return {std::uint64_t{settings.journal_interval_sec} * 1'000'000'000, settings.journal_burst};
}

/// Calls `work`, for a callback of the loop: what it throws is logged.
template <class Work>
int guarded(const Work& work) noexcept {
    try {
        work();
    } catch (const std::exception& error) {
        log::write(log::Level::error, error.what());
    }
    return 0;
}

} // namespace

Manager::Manager(config::Configuration configuration, Options options, EventLoop loop,
                 proc::ProcReader proc, KernelFacts facts)
    : options_(std::move(options)), configuration_(std::move(configuration)),
      loop_(std::move(loop)), proc_(std::move(proc)), state_(std::move(facts)),
      journal_(journal_limit(configuration_.settings)) {}

Manager::~Manager() = default;

Result<std::unique_ptr<Manager>> Manager::start(config::Configuration configuration,
                                                Options options) {
    log::set_max_level(configuration.settings.log_level);
    auto root = open_directory("/proc");
    if (!root) {
        return tl::unexpected<Error>(root.error());
    }
    // Before signals are blocked: the children that watch the kernel inherit that.
    KernelFacts facts = verify::classify();
    sd_event* loop = nullptr;
    if (const int result = ::sd_event_default(&loop); result < 0) {
        return fail(-result, "cannot make an event loop");
    }
    std::unique_ptr<Manager> manager(
        new Manager(std::move(configuration), std::move(options), EventLoop(loop),
                    proc::ProcReader(std::move(*root)), std::move(facts)));
    for (const auto step :
         {&Manager::attach_signals, &Manager::attach_timers, &Manager::attach_trace,
          &Manager::attach_enforcer, &Manager::attach_bus}) {
        if (auto done = (manager.get()->*step)(); !done) {
            return tl::unexpected<Error>(std::move(done.error()));
        }
    }
    ::sd_event_set_watchdog(loop, 1);
    manager->apply_slice_length();
    manager->journal_.report_started(manager->state_.facts);
    ::malloc_trim(0); // of parsing and of the scan
    ::sd_notifyf(0, "READY=1\nSTATUS=%s kernel, following processes by %s events and %s scans",
                 std::string(to_string(manager->state_.facts.kernel_class)).c_str(),
                 manager->state_.events.c_str(), manager->state_.source.c_str());
    return manager;
}

Result<void> Manager::run() {
    const int result = ::sd_event_loop(loop_.get());
    ::sd_notify(0, "STOPPING=1");
    bus_->close();
    enforcer_->save();
    if (result < 0) {
        return fail(-result, "the event loop failed");
    }
    return {};
}

Result<void> Manager::attach_signals() {
    sigset_t set;
    ::sigemptyset(&set);
    for (const int number : {SIGTERM, SIGINT, SIGHUP}) {
        ::sigaddset(&set, number);
    }
    ::pthread_sigmask(SIG_BLOCK, &set, nullptr);
    const auto add = [this](EventSource& source, int number, sd_event_signal_handler_t handler) {
        sd_event_source* added = nullptr;
        const int result = ::sd_event_add_signal(loop_.get(), &added, number, handler, this);
        source.reset(added);
        return result;
    };
    int result = add(stop_term_, SIGTERM, on_stop);
    if (result >= 0) {
        result = add(stop_int_, SIGINT, on_stop);
    }
    if (result >= 0) {
        result = add(reload_, SIGHUP, on_reload);
    }
    if (result < 0) {
        return fail(-result, "cannot wait for signals");
    }
    return {};
}

Result<void> Manager::attach_timers() {
    const auto add = [this](EventSource& source, sd_event_time_handler_t handler) {
        sd_event_source* added = nullptr;
        int result =
            ::sd_event_add_time_relative(loop_.get(), &added, CLOCK_MONOTONIC, 0, 0, handler, this);
        source.reset(added);
        if (result >= 0) {
            result = ::sd_event_source_set_enabled(added, SD_EVENT_OFF);
        }
        return result;
    };
    int result = add(rescan_, on_rescan);
    if (result >= 0) {
        result = add(flush_, on_flush);
    }
    if (result < 0) {
        return fail(-result, "cannot make a timer");
    }
    return {};
}

Result<void> Manager::attach_trace() {
    trace::ReaderOptions wanted;
    wanted.instance.name = options_.instance;
    wanted.instance.buffer_kib = configuration_.settings.trace_buffer_kib;
    auto reader = trace::Reader::open(wanted);
    if (!reader) {
        return tl::unexpected<Error>(std::move(reader.error()));
    }
    if (reader->source() == trace::EventSource::none) {
        return fail(ENOTSUP, "this kernel has no events for registrations, neither rseq: nor "
                             "syscalls:sys_enter_rseq (CONFIG_FTRACE_SYSCALLS)");
    }
    reader_.emplace(std::move(*reader));
    state_.events = trace::to_string(reader_->source());
    if (reader_->instance().replaced_stale()) {
        log::message(log::Level::notice, "removed a tracefs instance that was left behind: {}",
                     reader_->instance().path());
    }
    auto poll =
        PacedPoll::create(loop_.get(), reader_->fd(), drain_step_usec, [this] { return drain(); });
    if (!poll) {
        return tl::unexpected<Error>(std::move(poll.error()));
    }
    poll_ = std::move(*poll);
    if (proc_.has_rseq_files()) {
        state_.source = to_string(Evidence::procfs);
        if (auto dropped = drop_bpf_privileges(); !dropped) {
            log::write(log::Level::warning, dropped.error().message());
        }
    }
    return scan();
}

Result<void> Manager::attach_bus() {
    BusHooks hooks;
    hooks.reload = [this] {
        return reload();
    };
    hooks.rescan = [this] {
        ++state_.counters.rescans;
        return scan();
    };
    hooks.want_slices = [this](bool wanted) {
        if (auto done = reader_->set_slices(wanted); !done) {
            log::write(log::Level::warning, done.error().message());
        }
    };
    hooks.refresh = [this] {
        poll_->drain_now();
    };
    hooks.set_slice_length = [this](std::uint32_t length_ns, config::Lifetime lifetime) {
        auto file = config::set_slice_length(options_.config_root, length_ns, lifetime);
        if (file) {
            configuration_.settings.slice_length_ns = length_ns;
            log::message(log::Level::notice, "length of slices set by D-Bus: {} ns", length_ns);
        }
        return file;
    };
    attach_policies(hooks);
    auto bus = Bus::open(loop_.get(), state_, std::move(hooks));
    if (!bus) {
        return tl::unexpected<Error>(std::move(bus.error()));
    }
    bus_ = std::move(*bus);
    return {};
}

void Manager::apply_slice_length() const {
    const auto length_ns = configuration_.settings.slice_length_ns;
    if (!length_ns) {
        return;
    }
    if (auto done = write_slice_length(*length_ns); !done) {
        log::message(log::Level::warning, "slice.length_ns has no effect: {}",
                     done.error().message());
    }
}

void Manager::schedule_flush() {
    const auto due = journal_.flush_at();
    if (!due) {
        return;
    }
    const std::uint64_t now = now_ns(CLOCK_BOOTTIME);
    ::sd_event_source_set_time_relative(flush_.get(),
                                        *due > now ? (*due - now) / nsec_per_usec + 1 : 0);
    ::sd_event_source_set_enabled(flush_.get(), SD_EVENT_ONESHOT);
}

Result<void> Manager::reload(Enforcer::Done done) {
    ::sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%llu",
                 static_cast<unsigned long long>(now_ns(CLOCK_MONOTONIC) / nsec_per_usec));
    auto loaded = config::load(options_.config_root);
    Result<void> result;
    if (loaded) {
        const bool other_buffers =
            loaded->settings.trace_buffer_kib != configuration_.settings.trace_buffer_kib;
        configuration_ = std::move(*loaded);
        log::set_max_level(configuration_.settings.log_level);
        journal_.set_limit(journal_limit(configuration_.settings));
        if (other_buffers) {
            log::write(log::Level::notice, "trace.buffer_kib has effect after a restart");
        }
        log::write(log::Level::info, "configuration reloaded");
        apply_slice_length();
        enforcer_->apply(configuration_.rules,
                         [this, done = std::move(done)](const Applied& applied) {
                             tell_who_has_to_be_restarted();
                             if (done) {
                                 done(applied);
                             }
                         });
    } else {
        std::string text = config::text_of(loaded.error());
        journal_.report_configuration(text);
        result = fail(EINVAL, std::move(text));
    }
    ::malloc_trim(0);
    ::sd_notify(0, "READY=1");
    return result;
}

int Manager::on_stop(sd_event_source* source, const signalfd_siginfo* /*info*/,
                     void* /*self*/) noexcept {
    return ::sd_event_exit(::sd_event_source_get_event(source), 0);
}

int Manager::on_reload(sd_event_source* /*source*/, const signalfd_siginfo* /*info*/,
                       void* self) noexcept {
    return guarded([self] { static_cast<void>(static_cast<Manager*>(self)->reload()); });
}

int Manager::on_rescan(sd_event_source* /*source*/, std::uint64_t /*usec*/, void* self) noexcept {
    return guarded([self] {
        auto& manager = *static_cast<Manager*>(self);
        manager.rescan_scheduled_ = false;
        const std::uint64_t begin = now_ns(CLOCK_MONOTONIC);
        ++manager.state_.counters.rescans;
        if (auto done = manager.scan(); !done) {
            log::write(log::Level::error, done.error().message());
            manager.schedule_rescan();
        }
        manager.in_doubt_ = manager.rescan_scheduled_;
        // New cgroups may have been among what was lost.
        manager.enforcer_->apply_to_cgroups_again();
        manager.check_touched();
        manager.rescan_pause_usec_ = pause_usec(begin);
        if (std::exchange(manager.rescan_scheduled_, false)) {
            manager.schedule_rescan(); // by what this one took
        }
    });
}

int Manager::on_flush(sd_event_source* /*source*/, std::uint64_t /*usec*/, void* self) noexcept {
    return guarded([self] {
        auto& manager = *static_cast<Manager*>(self);
        manager.journal_.flush(now_ns(CLOCK_BOOTTIME));
        manager.schedule_flush();
    });
}

} // namespace rseq::daemon
