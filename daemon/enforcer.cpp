// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/enforcer.h"

#include "core/file.h"
#include "daemon/applied_log.h"
#include "daemon/clock.h"
#include "daemon/log.h"
#include "enforce/plan_units.h"
#include "enforce/unit_name.h"

#include <algorithm>
#include <cerrno>
#include <exception>
#include <iterator>
#include <utility>

namespace rseq::daemon {

namespace {

/// How long changes of held_ may gather before they are saved: the pause that saving needs, if that
/// is within these.
constexpr std::uint64_t least_save_delay_usec = 100'000;
constexpr std::uint64_t most_save_delay_usec = 2'000'000;
/// After a reload of somebody else, units may have come and gone.
constexpr std::uint64_t replan_delay_usec = 500'000;
constexpr std::size_t requests_at_most = 64;
constexpr std::size_t decisions_at_most = 20000;

UniqueFd open_if_there(const std::string& path) {
    auto fd = open_directory(path);
    return fd ? std::move(*fd) : UniqueFd();
}

/// None where there is no folder, or none that can be read.
enforce::DropIns drop_ins_in(const UniqueFd& folder) {
    auto drop_ins = folder ? enforce::read_drop_ins(folder.get()) : fail(ENOENT, {});
    return drop_ins ? std::move(*drop_ins) : enforce::DropIns();
}

/// A timer that is off; null if there cannot be one.
EventSource make_timer(sd_event* loop, sd_event_time_handler_t handler, void* self) {
    sd_event_source* source = nullptr;
    if (::sd_event_add_time_relative(loop, &source, CLOCK_MONOTONIC, 0, 0, handler, self) >= 0) {
        ::sd_event_source_set_enabled(source, SD_EVENT_OFF);
    }
    return EventSource(source);
}

void start_timer(const EventSource& timer, std::uint64_t usec) {
    ::sd_event_source_set_time_relative(timer.get(), usec);
    ::sd_event_source_set_enabled(timer.get(), SD_EVENT_ONESHOT);
}

bool is_on(const EventSource& timer) {
    int enabled = SD_EVENT_OFF;
    return ::sd_event_source_get_enabled(timer.get(), &enabled) >= 0 && enabled != SD_EVENT_OFF;
}

} // namespace

Enforcer::Enforcer(sd_event* loop, const KernelFacts& facts,
                   std::optional<enforce::CgroupTree> tree, EnforcerPlaces places)
    : loop_(loop), facts_(facts), tree_(std::move(tree)), places_(std::move(places)),
      drop_ins_fd_(open_if_there(places_.drop_ins)), runtime_fd_(open_if_there(places_.runtime)),
      rules_(std::make_shared<const Rules>()), save_(make_timer(loop, on_save, this)),
      replan_(make_timer(loop, on_replan, this)) {
    if (drop_ins_fd_) {
        manager_ = make_systemd(loop, [this] { on_reloaded(); });
    }
    if (!runtime_fd_) {
        log::message(log::Level::warning,
                     "cannot open {}: what policies replace is not remembered across a restart",
                     places_.runtime);
        return;
    }
    if (auto held = enforce::load_held(runtime_fd_.get())) {
        held_ = std::move(*held);
        room_ = enforce::Room(held_.cgroups);
    } else {
        log::message(log::Level::warning,
                     "{}/{}; what was there before the policies that are in force is not known",
                     held.error().message(), places_.runtime);
    }
}

Enforcer::~Enforcer() {
    save();
}

enforce::DropIns Enforcer::drop_ins() const {
    return drop_ins_in(drop_ins_fd_);
}

/// Those of the generator.
enforce::DropIns Enforcer::generated() const {
    // Its folder is made anew at each reload.
    return drop_ins_in(open_if_there(places_.generated));
}

enforce::DropIns Enforcer::drop_ins_in_force() const {
    enforce::DropIns in_force = drop_ins();
    in_force.merge(generated()); // what is there already wins
    return in_force;
}

/// The text of the drop-in of ours that a service has, its own or its template's; or nothing.
std::string_view Enforcer::drop_in_of(const std::string& unit) const {
    auto found = loaded_.find(unit);
    if (found == loaded_.end()) {
        const auto common = enforce::template_of_instance(unit);
        found = common ? loaded_.find(*common) : loaded_.end();
    }
    return found != loaded_.end() && enforce::is_ours(found->second) ? found->second
                                                                     : std::string_view();
}

bool Enforcer::has_drop_in(const std::string& unit) const {
    return drop_in_of(unit).find("[Service]") != std::string_view::npos;
}

/// The rules that will be in force when all calls that wait have been carried out.
const std::shared_ptr<const Enforcer::Rules>& Enforcer::latest_rules() const {
    const auto last = std::find_if(requests_.rbegin(), requests_.rend(),
                                   [](const Request& request) { return !request.dry_run; });
    return last == requests_.rend() ? rules_ : last->rules;
}

void Enforcer::apply(Rules rules, Done done) {
    Request request;
    const auto& latest = latest_rules();
    // The same ones are applied again.
    request.rules = *latest == rules ? latest : std::make_shared<const Rules>(std::move(rules));
    request.done = std::move(done);
    add(std::move(request));
}

void Enforcer::apply_again(bool dry_run, Done done) {
    if (!dry_run && !done && requests_.size() > 1 &&
        std::any_of(std::next(requests_.begin()), requests_.end(),
                    [](const Request& request) { return !request.dry_run; })) {
        return; // one that has not begun will look at everything anew
    }
    Request request;
    request.rules = latest_rules();
    request.dry_run = dry_run;
    request.done = std::move(done);
    add(std::move(request));
}

void Enforcer::plan(Rules rules, Done done) {
    Request request;
    request.rules = std::make_shared<const Rules>(std::move(rules));
    request.dry_run = true;
    request.done = std::move(done);
    add(std::move(request));
}

void Enforcer::add(Request request) {
    request.applied.dry_run = request.dry_run;
    if (requests_.size() >= requests_at_most) {
        request.applied.notes.push_back({enforce::NoteKind::unenforceable,
                                         "",
                                         "policies",
                                         "too many changes are waiting for the service manager",
                                         {},
                                         {}});
        if (request.done) {
            request.done(request.applied);
        }
        return;
    }
    requests_.push_back(std::move(request));
    if (!under_way_) {
        start();
    }
}

void Enforcer::start() {
    under_way_ = true;
    Request& request = requests_.front();
    request.again = request.rules == rules_;
    if (!request.dry_run) {
        rules_ = request.rules;
        decisions_.clear();
        if (!request.again) {
            for (Refusals& refusals : refusals_) {
                refusals.told_no_room = refusals.told_too_long = false;
            }
        }
        needs_uid_ = std::any_of(rules_->begin(), rules_->end(), [](const policy::Rule& rule) {
            return rule.match.uid.has_value();
        });
    }
    loaded_ = drop_ins_in_force();
    apply_to_cgroups(request);
    ask_for_names();
}

void Enforcer::carry_out(Request& request, enforce::Plan& plan) {
    std::move(plan.notes.begin(), plan.notes.end(), std::back_inserter(request.applied.notes));
    std::vector<enforce::Outcome> outcomes;
    if (request.dry_run) {
        enforce::DryRun nothing;
        enforce::Held ignored;
        outcomes = enforce::execute(plan, held_, nothing, ignored);
    } else {
        // What is about to be written is on record first: if nobody survives to take it back, it
        // looks as if it had been changed by somebody else, and is written once more.
        const enforce::Held before = std::exchange(held_, plan.held);
        if (held_ != before) {
            unsaved_ = true;
            save();
        }
        static const enforce::CgroupTree none{UniqueFd()};
        enforce::FileActuator actuator(tree_ ? *tree_ : none, drop_ins_fd_.get());
        enforce::Held after;
        outcomes = enforce::execute(plan, before, actuator, after);
        if (after != held_) {
            held_ = std::move(after);
            changed();
        }
        room_ = enforce::Room(held_.cgroups);
    }
    std::move(outcomes.begin(), outcomes.end(), std::back_inserter(request.applied.outcomes));
}

void Enforcer::finish() {
    loaded_ = drop_ins_in_force();
    Request request = std::move(requests_.front());
    requests_.pop_front();
    under_way_ = false;
    if (!request.dry_run) {
        log_applied(request.applied, last_);
        last_ = request.applied;
        last_of_cgroups_ = request.of_cgroups;
    }
    if (request.done) {
        request.done(request.applied);
    }
    // Whoever was told may have asked for more.
    if (!under_way_ && !requests_.empty()) {
        start();
    }
}

enforce::Compliance Enforcer::check(const policy::Subject& subject,
                                    const enforce::ProcessFacts& process) {
    if (rules_->empty()) {
        return {};
    }
    return enforce::compliance(process, policy::match(subject, *rules_), decide(process.cgroup),
                               held_, facts_);
}

policy::Decision Enforcer::decide(const std::string& cgroup) {
    const auto found = decisions_.find(cgroup);
    if (found != decisions_.end()) {
        return found->second;
    }
    policy::Decision decision = policy::decide(cgroup, *rules_);
    // Of long paths users can have any number: they are not kept.
    if (cgroup.size() <= enforce::max_held_path) {
        if (decisions_.size() >= decisions_at_most) {
            decisions_.clear();
        }
        decisions_.emplace(cgroup, decision);
    }
    return decision;
}

void Enforcer::changed() {
    unsaved_ = true;
    if (!is_on(save_)) {
        start_timer(save_,
                    std::clamp(save_pause_usec_, least_save_delay_usec, most_save_delay_usec));
    }
}

void Enforcer::save() {
    if (!std::exchange(unsaved_, false) || !runtime_fd_) {
        return;
    }
    const std::uint64_t begin = now_ns(CLOCK_MONOTONIC);
    if (const auto done = enforce::save_held(runtime_fd_.get(), held_); !done) {
        log::message(log::Level::warning, "{} in {}", done.error().message(), places_.runtime);
    }
    save_pause_usec_ = pause_usec(begin);
}

void Enforcer::on_reloaded() {
    // The one of our own was for what we wrote: to look once more would find nothing new.
    if (!std::exchange(reload_under_way_, false) && enforce::needs_service_names(*rules_)) {
        start_timer(replan_, replan_delay_usec);
    }
}

int Enforcer::on_save(sd_event_source* /*source*/, std::uint64_t /*usec*/, void* self) noexcept {
    try {
        static_cast<Enforcer*>(self)->save();
    } catch (const std::exception& error) {
        log::write(log::Level::error, error.what());
    }
    return 0;
}

int Enforcer::on_replan(sd_event_source* /*source*/, std::uint64_t /*usec*/, void* self) noexcept {
    try {
        static_cast<Enforcer*>(self)->apply_again(false, {});
    } catch (const std::exception& error) {
        log::write(log::Level::error, error.what());
    }
    return 0;
}

} // namespace rseq::daemon
