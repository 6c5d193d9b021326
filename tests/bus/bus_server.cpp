// SPDX-License-Identifier: GPL-2.0-or-later
// The daemon's side of the bus alone, with processes that are made up, for the tests and the
// benchmark. Takes commands on standard input, a line each, and tells on standard output what it
// was asked to do:
//   violations N    N of them, to be signalled and listed
//   events KIND N   N occurrences of a kind
//   lost N          that many events were lost
//   refuse PID N    N refused registrations of a process
//   count N         N registrations more, in the counters alone
//   reload TEXT     reloading fails with this text; without a text it works
//   policy ERRNO    setting and unsetting policies fails with this number; with 0 it works
//   wants KIND      is it wanted? "yes" or "no"
//   sync            "synced": all commands before are done
#include "daemon/bus.h"
#include "daemon/bus_values.h"
#include "daemon/enforcer.h"
#include "daemon/event_source.h"
#include "daemon/manager_violations.h"
#include "snapshot/snapshot.h"

#include <malloc.h>
#include <systemd/sd-event.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

using namespace rseq;
using namespace rseq::daemon;

namespace {

/// Processes 1000, 1001, ... of so many threads, in services of twenty each.
std::vector<snapshot::Process> made_up(int processes, int threads) {
    constexpr std::array modes{Mode::v2, Mode::v1, Mode::none};
    std::vector<snapshot::Process> result;
    for (int i = 0; i < processes; ++i) {
        snapshot::Process process;
        process.key = {1000 + i, 5000ULL + static_cast<unsigned>(i)};
        process.comm = "made-up-" + std::to_string(i);
        process.cgroup = "/system.slice/made-up-" + std::to_string(i / 20) + ".service";
        process.unit = proc::unit_of_cgroup(process.cgroup);
        process.exe = "/usr/lib/made-up/" + process.comm;
        process.policy = Policy{};
        process.source = Evidence::procfs;
        for (int j = 0; j < threads; ++j) {
            snapshot::Thread thread;
            thread.tid = j == 0 ? process.key.pid : 100'000 + i * threads + j;
            thread.comm = process.comm;
            thread.mode = modes.at(static_cast<std::size_t>(i) % modes.size());
            thread.length = thread.mode == Mode::v2 ? 33 : thread.mode == Mode::v1 ? 32 : 0;
            thread.slice = SliceState::available;
            process.threads.add(thread.mode);
            process.thread_list.push_back(std::move(thread));
        }
        result.push_back(std::move(process));
    }
    // One whose names are as bad as names can be, and one of the kernel's own.
    snapshot::Process hostile = result.front();
    hostile.key = {999, 4999};
    hostile.comm = "\xff\n\x1b[31m\"";
    hostile.cgroup = "/system.slice/\xff\xef\xbf\xbf\n.service";
    hostile.unit = proc::unit_of_cgroup(hostile.cgroup);
    hostile.thread_list.resize(1);
    hostile.thread_list.front().tid = 999;
    hostile.threads = {};
    hostile.threads.add(hostile.thread_list.front().mode);
    snapshot::Process kernel_thread = hostile;
    kernel_thread.key = {2, 1};
    kernel_thread.kernel_thread = true;
    kernel_thread.comm = "kthreadd";
    kernel_thread.thread_list.front().tid = 2;
    result.insert(result.begin(), std::move(hostile));
    result.insert(result.begin(), std::move(kernel_thread));
    return result;
}

KernelFacts made_up_facts() {
    KernelFacts facts;
    facts.release = "7.3.4-made-up";
    facts.kernel_class = KernelClass::dual;
    facts.class_reason = "made up";
    facts.feature_size = 33;
    facts.alignment = 64;
    facts.slices = Availability::yes;
    facts.abi = 1;
    return facts;
}

std::uint64_t now_ns(clockid_t clock) {
    timespec now{};
    ::clock_gettime(clock, &now);
    return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000U +
           static_cast<std::uint64_t>(now.tv_nsec);
}

/// Two rules, and what there is to say of them on a machine without cgroups and systemd.
std::vector<policy::Rule> made_up_rules() {
    policy::Rule held;
    held.name = "held";
    held.match.unit = proc::UnitPattern("other.service");
    held.match.cgroup = Glob("/system.slice/*");
    held.mode = PolicyMode::legacy;
    held.slice = PolicySlice::deny;
    held.glibc = false;
    held.expect = Mode::v1;
    held.origin = {"/etc/rseq-compat/policy.d/10-made-up.yaml", 3, 5};
    policy::Rule looked_at;
    looked_at.name = "looked-at";
    looked_at.match.exe = Glob("/usr/bin/\xff*");
    looked_at.match.comm = Glob("other?");
    looked_at.match.uid = 7;
    looked_at.expect = Mode::v2;
    looked_at.origin = {"/etc/rseq-compat/policy.d/10-made-up.yaml", 9, 5};
    return {held, looked_at};
}

/// One of everything that a change can lead to.
PolicyChange some_change(bool dry_run) {
    PolicyChange change;
    change.files = {"/etc/rseq-compat/policy.d/60-x.service.yaml"};
    change.applied.dry_run = dry_run;
    enforce::Action action;
    action.target = "/\xff";
    action.setting = PolicyMode::legacy;
    action.setting_before = PolicyMode::automatic;
    action.rule = "held";
    action.origin = {"/etc/file", 3, 5};
    change.applied.outcomes.push_back({action, std::nullopt});
    enforce::Action reload;
    reload.kind = enforce::ActionKind::reload;
    change.applied.outcomes.push_back({reload, Error{EACCES, "polkit"}});
    change.applied.notes.push_back({enforce::NoteKind::left_alone,
                                    "x.service",
                                    "drop-in",
                                    "why",
                                    "held",
                                    {"/etc/file", 3, 5}});
    return change;
}

std::string words_of(const config::UnitPolicy& policy) {
    std::string words;
    words += policy.mode ? " mode " + std::string(rseq::to_string(*policy.mode)) : "";
    words += policy.slice ? " slice " + std::string(rseq::to_string(*policy.slice)) : "";
    words += policy.glibc ? *policy.glibc ? " glibc on" : " glibc off" : "";
    words += policy.expect ? " expect " + std::string(rseq::to_string(*policy.expect)) : "";
    return words;
}

void say(const std::string& line) {
    std::puts(line.c_str());
    std::fflush(stdout);
}

class Server {
public:
    Server(sd_event* loop, int processes, int threads)
        : loop_(loop), state_(made_up_facts()), seen_(made_up(processes, threads)),
          enforcer_(loop, state_.facts, std::nullopt, {"/nonexistent", "/nonexistent", ""}) {
        state_.source = "procfs";
        state_.events = "rseq";
        registry::Scan scan;
        scan.processes = seen_;
        scan.begin_ns = now_ns(CLOCK_BOOTTIME);
        scan.end_ns = scan.begin_ns + 1;
        static_cast<void>(state_.registry.reconcile(scan));
        enforcer_.apply(made_up_rules(), {});
        state_.enforcer = &enforcer_;
        state_.compliance = [](const registry::Process&) {
            return enforce::Compliance();
        };
    }

    int run(const BusLimits& limits) {
        BusHooks hooks;
        hooks.reload = [this]() -> Result<void> {
            say("reload");
            return failure_.empty() ? Result<void>() : fail(EINVAL, failure_);
        };
        hooks.rescan = []() -> Result<void> {
            say("rescan");
            return {};
        };
        hooks.refresh = [] {
        };
        hooks.apply_policies = [](bool dry_run, const PolicyDone& done) {
            say(dry_run ? "plan policies" : "apply policies");
            done(some_change(dry_run));
        };
        hooks.set_policy = [this](const std::string& unit, const config::UnitPolicy& policy,
                                  config::Lifetime lifetime, const PolicyDone& done) {
            say("set " + unit + words_of(policy) +
                (lifetime == config::Lifetime::runtime ? " runtime" : ""));
            finish_policy(done);
        };
        hooks.unset_policy = [this](const std::string& unit, const PolicyDone& done) {
            say("unset " + unit);
            finish_policy(done);
        };
        hooks.set_slice_length = [this](std::uint32_t length_ns,
                                        config::Lifetime lifetime) -> Result<std::string> {
            say("slices of " + std::to_string(length_ns) +
                (lifetime == config::Lifetime::runtime ? " runtime" : ""));
            return policy_error_ == 0 ? Result<std::string>("/etc/made-up.yaml")
                                      : fail(policy_error_, "made up");
        };
        hooks.want_slices = [](bool wanted) {
            say(wanted ? "slices on" : "slices off");
        };
        auto bus = Bus::open(loop_, state_, std::move(hooks), limits);
        if (!bus) {
            std::fprintf(stderr, "bus_server: %s\n", bus.error().message().c_str());
            return 1;
        }
        bus_ = std::move(*bus);
        sd_event_source* source = nullptr;
        ::sd_event_add_io(loop_, &source, STDIN_FILENO, EPOLLIN, on_input, this);
        input_.reset(source);
        say("ready");
        const int result = ::sd_event_loop(loop_);
        bus_->close();
        return result < 0 ? 1 : 0;
    }

private:
    static int on_input(sd_event_source* /*source*/, int fd, std::uint32_t /*events*/,
                        void* userdata) noexcept {
        auto& self = *static_cast<Server*>(userdata);
        std::array<char, 4096> data{};
        const ssize_t got = ::read(fd, data.data(), data.size());
        if (got <= 0) {
            return ::sd_event_exit(self.loop_, 0);
        }
        self.text_.append(data.data(), static_cast<std::size_t>(got));
        for (std::size_t end = 0; (end = self.text_.find('\n')) != std::string::npos;) {
            self.command(self.text_.substr(0, end));
            self.text_.erase(0, end + 1);
        }
        return 0;
    }

    [[nodiscard]] Occurrence occurrence(Kind kind) const {
        Occurrence result;
        const registry::Process& process = *state_.registry.find(1000);
        result.kind = kind;
        result.time_usec = now_ns(CLOCK_REALTIME) / 1000;
        result.process = {1000, 5000};
        result.tid = 1000;
        result.comm = process.comm.view();
        result.exe = process.exe_path();
        result.cgroup = process.cgroup_path();
        result.unit = process.unit().display_name();
        result.mode = Mode::v2;
        switch (kind) {
        case Kind::registration:
        case Kind::refusal:
            result.payload = event::Registered{1000,
                                               2,
                                               33,
                                               0,
                                               0x53053053,
                                               SliceState::available,
                                               kind == Kind::refusal ? EBUSY : 0};
            break;
        case Kind::unregistration:
            result.payload = event::Unregistered{1000, 0};
            break;
        case Kind::policy:
            result.payload = event::PolicyLatched{1000, {PolicyMode::legacy, PolicySlice::deny}};
            break;
        case Kind::violation:
            result.payload = event::Violation{1000, 2, "cpu_id_start", 3, 0x80000003, 0x401000};
            break;
        case Kind::exec:
            result.payload = event::Executed{1000, 1000, "./made-up\xff"};
            break;
        case Kind::exit:
            result.payload = event::Exited{1000, true};
            break;
        case Kind::slice:
            result.payload = event::SliceEnded{1000, "yield", 12'000};
            break;
        }
        return result;
    }

    void finish_policy(const PolicyDone& done) const {
        done(policy_error_ == 0 ? Result<PolicyChange>(some_change(false))
                                : fail(policy_error_, "made up"));
    }

    void command(const std::string& line) {
        std::istringstream words(line);
        std::string verb;
        std::string argument;
        int count = 0;
        words >> verb;
        if (verb == "violations") {
            for (words >> count; count > 0; --count) {
                ++state_.counters.violations;
                state_.counters.violation_reasons.add("cpu_id_start");
                const Occurrence made = occurrence(Kind::violation);
                bus_->report(made);
                keep_violation(state_.violations, made);
            }
            bus_->counts_changed();
        } else if (verb == "events") {
            words >> argument;
            const Occurrence made = occurrence(parse_kind(argument).value());
            for (words >> count; count > 0; --count) {
                bus_->report(made);
            }
        } else if (verb == "lost") {
            words >> count;
            bus_->report_lost(static_cast<std::uint64_t>(count));
        } else if (verb == "refuse") {
            Event event;
            for (words >> event.tid >> count; count > 0; --count) {
                event.time_ns = now_ns(CLOCK_BOOTTIME);
                event.payload = event::Registered{event.tid, 0, static_cast<std::uint32_t>(count),
                                                  0,         0, SliceState::unknown,
                                                  EBUSY};
                static_cast<void>(state_.registry.apply(event));
            }
        } else if (verb == "count") {
            words >> count;
            state_.counters.registrations += static_cast<std::uint64_t>(count);
            bus_->counts_changed();
        } else if (verb == "reload") {
            failure_.clear();
            std::getline(words >> std::ws, failure_);
        } else if (verb == "policy") {
            words >> policy_error_;
        } else if (verb == "wants") {
            words >> argument;
            say(bus_->wants(parse_kind(argument).value()) ? "yes" : "no");
        } else if (verb == "sync") {
            say("synced");
        }
    }

    sd_event* loop_;
    State state_;
    std::vector<snapshot::Process> seen_;
    Enforcer enforcer_;
    std::string failure_;
    int policy_error_ = 0;
    std::string text_;
    std::unique_ptr<Bus> bus_;
    daemon::EventSource input_;
};

} // namespace

int main(int argc, char** argv) {
    if (argc != 4) {
        std::fputs("usage: bus_server PROCESSES THREADS POLKIT_TIMEOUT_MS\n", stderr);
        return 2;
    }
    ::signal(SIGPIPE, SIG_IGN);
    sd_event* loop = nullptr;
    if (::sd_event_default(&loop) < 0) {
        return 1;
    }
    const EventLoop owner(loop);
    BusLimits limits;
    limits.polkit.timeout_usec = std::strtoull(argv[3], nullptr, 10) * 1000;
    limits.polkit.interactive_timeout_usec = limits.polkit.timeout_usec;
    return Server(loop, std::atoi(argv[1]), std::atoi(argv[2])).run(limits);
}
