// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/policy_here.h"

#include "config/load.h"
#include "daemon/clock.h"
#include "daemon/enforcer.h"
#include "daemon/event_source.h"
#include "daemon/log.h"
#include "enforce/compliance.h"
#include "verify/classify.h"

#include <sys/stat.h>
#include <syslog.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <optional>
#include <utility>

namespace rseq::cli {

namespace {

using daemon::Enforcer;

constexpr mode_t runtime_mode = 0755;

Result<std::vector<policy::Rule>> load_rules() {
    auto loaded = config::load();
    if (loaded) {
        return std::move(loaded->rules);
    }
    return fail(EINVAL, config::text_of(loaded.error()));
}

/// The enforcer of the daemon, for one request.
class Work {
public:
    static Result<Work> begin(const KernelFacts& facts) {
        // What it has to say is in its answer.
        daemon::log::set_max_level(LOG_CRIT);
        sd_event* loop = nullptr;
        if (const int result = ::sd_event_new(&loop); result < 0) {
            return fail(-result, "cannot make an event loop");
        }
        Work work;
        work.loop_.reset(loop);
        std::optional<enforce::CgroupTree> tree;
        if (auto mounted = enforce::CgroupTree::mounted()) {
            tree = std::move(*mounted);
        }
        work.enforcer_ =
            std::make_unique<Enforcer>(loop, facts, std::move(tree), daemon::EnforcerPlaces());
        return work;
    }

    Result<enforce::Applied> carry_out(std::vector<policy::Rule> rules, bool dry_run) {
        std::optional<enforce::Applied> result;
        const Enforcer::Done done = [&](const enforce::Applied& applied) {
            result = applied;
        };
        if (dry_run) {
            enforcer_->plan(std::move(rules), done);
        } else {
            enforcer_->apply(std::move(rules), done);
        }
        while (!result) {
            if (const int run = ::sd_event_run(loop_.get(), UINT64_MAX); run < 0 && run != -EINTR) {
                return fail(-run, "cannot wait for the service manager");
            }
        }
        return std::move(*result);
    }

    [[nodiscard]] const Enforcer& enforcer() const { return *enforcer_; }

private:
    daemon::EventLoop loop_;
    std::unique_ptr<Enforcer> enforcer_;
};

/// Applies the rules of all files; `files` are those that were changed before.
Result<enforce::ChangeReport> apply_all(std::vector<std::string> files, bool dry_run) {
    auto rules = load_rules();
    if (!rules) {
        return tl::unexpected<Error>(std::move(rules.error()));
    }
    if (!dry_run) {
        // Where the daemon is to find what was there before.
        ::mkdir(daemon::EnforcerPlaces().runtime.c_str(), runtime_mode);
    }
    const KernelFacts facts = verify::classify();
    auto applied = Work::begin(facts).and_then(
        [&](Work work) { return work.carry_out(std::move(*rules), dry_run); });
    if (!applied) {
        return fail(applied.error().code, applied.error().message());
    }
    return enforce::report_change(std::move(files), *applied);
}

tl::unexpected<Error> whole(const Error& error) {
    return fail(error.code, config::text_of(error));
}

std::uint64_t started_ns(const snapshot::Process& process) {
    static const auto ticks = static_cast<std::uint64_t>(::sysconf(_SC_CLK_TCK));
    return process.key.start_ticks * (std::uint64_t{1'000'000'000} / ticks);
}

/// Whether the reason needs the time of an execve(2).
bool needs_times(enforce::Reason reason) {
    return reason == enforce::Reason::not_held || reason == enforce::Reason::before_rule ||
           reason == enforce::Reason::lost_race || reason == enforce::Reason::elsewhere;
}

std::int64_t realtime_offset_usec() {
    return static_cast<std::int64_t>(daemon::now_ns(CLOCK_REALTIME) / daemon::nsec_per_usec) -
           static_cast<std::int64_t>(daemon::now_ns(CLOCK_BOOTTIME) / daemon::nsec_per_usec);
}

} // namespace

Result<PoliciesHere> look_here() {
    auto rules = load_rules();
    if (!rules) {
        return tl::unexpected<Error>(std::move(rules.error()));
    }
    PoliciesHere here;
    here.facts = verify::classify();
    here.rules = std::move(*rules);
    auto work = Work::begin(here.facts);
    if (!work) {
        return fail(work.error().code, work.error().message());
    }
    auto plan = work->carry_out(here.rules, true);
    if (!plan) {
        return fail(plan.error().code, plan.error().message());
    }
    here.plan = std::move(*plan);
    here.held = work->enforcer().held();
    here.drop_ins = work->enforcer().drop_ins();
    return here;
}

std::vector<enforce::RuleReport> list_policies(const PoliciesHere& here) {
    std::vector<enforce::RuleReport> reports;
    reports.reserve(here.rules.size());
    for (const policy::Rule& rule : here.rules) {
        reports.push_back(enforce::report_rule(rule, here.plan));
    }
    return reports;
}

enforce::TargetReport show_policy(const PoliciesHere& here, const std::string& unit,
                                  const std::string& cgroup) {
    return enforce::report_target(
        unit, cgroup, {here.rules, here.held, here.drop_ins, here.plan, realtime_offset_usec()});
}

void add_compliance(const PoliciesHere& here, const proc::ProcReader& reader,
                    snapshot::Process& process) {
    if (process.kernel_thread || here.rules.empty()) {
        return;
    }
    policy::Subject subject;
    subject.unit = process.unit.name;
    subject.unit_display = process.unit.display_name();
    subject.cgroup = process.cgroup;
    subject.exe = process.exe;
    subject.comm = process.comm;
    if (auto dir = reader.open(process.key.pid)) {
        const auto uid = dir->effective_uid();
        subject.uid = uid ? std::optional(*uid) : std::nullopt;
    }
    enforce::ProcessFacts facts;
    facts.cgroup = process.cgroup;
    facts.latched = process.policy;
    facts.mode = process.mode();
    facts.started_ns = started_ns(process);
    const enforce::Compliance compliance =
        enforce::compliance(facts, policy::match(subject, here.rules),
                            policy::decide(process.cgroup, here.rules), here.held, here.facts);
    if (compliance.verdict == enforce::Verdict::none) {
        return;
    }
    process.compliant = compliance.verdict == enforce::Verdict::yes;
    process.compliance_reason = needs_times(compliance.reason)
                                    ? "expected " + compliance.expected + ", is " + compliance.found
                                    : compliance.text();
}

Result<enforce::ChangeReport> apply_here(bool dry_run) {
    return apply_all({}, dry_run);
}

Result<enforce::ChangeReport> set_here(const std::string& unit, const config::UnitPolicy& policy,
                                       config::Lifetime lifetime) {
    auto file = config::set_policy("", unit, policy, lifetime);
    return file ? apply_all({std::move(*file)}, false) : whole(file.error());
}

Result<enforce::ChangeReport> unset_here(const std::string& unit) {
    auto files = config::unset_policy("", unit);
    return files ? apply_all(std::move(*files), false) : whole(files.error());
}

} // namespace rseq::cli
