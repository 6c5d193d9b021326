// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include "core/event.h"
#include "core/kernel_facts.h"
#include "core/unique_fd.h"
#include "daemon/event_source.h"
#include "daemon/service_manager.h"
#include "enforce/actuator.h"
#include "enforce/cgroup_tree.h"
#include "enforce/compliance.h"
#include "enforce/drop_in.h"
#include "enforce/held.h"
#include "enforce/plan.h"
#include "enforce/report.h"
#include "policy/match.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace rseq::daemon {

/// Where the enforcer works.
struct EnforcerPlaces {
    std::string drop_ins = enforce::drop_in_root; ///< not there: there is no service manager
    std::string generated = enforce::generated_root;
    std::string runtime = enforce::runtime_root; ///< for held.json and enforce::applied_name
    std::string hold_program = RSEQ_HOLD_PROGRAM;
};

using enforce::Applied;

/// Keeps cgroups and units to the rules, remembers what it wrote, and tells who complies. What it
/// wrote stays when it is gone.
class Enforcer {
public:
    using Rules = std::vector<policy::Rule>;
    using Done = std::function<void(const Applied&)>;

    /// `tree` is empty where the kernel has no policies or no cgroup v2. `facts` and `loop` have to
    /// outlive the result. Reads what an earlier daemon wrote; where that cannot be used, it says
    /// so in the log and begins with what the kernel has.
    Enforcer(sd_event* loop, const KernelFacts& facts, std::optional<enforce::CgroupTree> tree,
             EnforcerPlaces places);
    Enforcer(const Enforcer&) = delete;
    Enforcer& operator=(const Enforcer&) = delete;
    ~Enforcer();

    /// Makes these the rules and applies them. Cgroups are written before it returns unless an
    /// earlier call is still under way; units follow, and then `done` is called, from the loop.
    /// Calls are carried out one after the other. Without drop-ins there is nobody to wait for,
    /// and `done` is called at once.
    void apply(Rules rules, Done done);
    /// The same with the rules that there are, or only the plan of it.
    void apply_again(bool dry_run, Done done);
    /// Applies the rules in force to cgroups alone, of which the making of some may have been
    /// missed, whatever else is under way. The service manager is not asked: how often this is
    /// called is up to whoever makes events.
    void apply_to_cgroups_again();

    /// What applying these rules would do. Nothing is changed, and the rules stay what they are.
    void plan(Rules rules, Done done);

    /// To be called for each cgroup that is made, as soon as possible: writes what its rule asks
    /// for. `event_ns`: CLOCK_BOOTTIME of the event.
    void on_cgroup_made(const event::CgroupMade& made, std::uint64_t event_ns);

    /// To be called whenever the service manager has read all files anew.
    void on_reloaded();

    /// Whether a process complies, by the rules that there are now. The rule is valid until the
    /// next apply().
    [[nodiscard]] enforce::Compliance check(const policy::Subject& subject,
                                            const enforce::ProcessFacts& process);

    [[nodiscard]] const Rules& rules() const { return *rules_; }
    [[nodiscard]] const enforce::Held& held() const { return held_; }
    /// What applying the rules the last time could not do.
    [[nodiscard]] const Applied& last() const { return last_; }
    [[nodiscard]] enforce::DropIns drop_ins() const;
    /// Whether a service has a drop-in of ours that does something, its own or its template's, made
    /// by the generator or by the daemon.
    [[nodiscard]] bool has_drop_in(const std::string& unit) const;
    /// Whether a rule asks for the user of a process.
    [[nodiscard]] bool needs_uid() const { return needs_uid_; }
    [[nodiscard]] bool idle() const { return requests_.empty(); }
    /// Writes held.json if it is not up to date.
    void save();

    /// For tests: another service manager.
    void set_service_manager(std::unique_ptr<ServiceManager> manager) {
        manager_ = std::move(manager);
    }

private:
    /// How much of an Applied is about cgroups; what is about units comes behind.
    struct Extent {
        std::size_t outcomes = 0;
        std::size_t notes = 0;
    };

    /// Of new cgroups that there is no room for.
    struct Refusals {
        bool told_no_room = false;
        bool told_too_long = false;
    };

    struct Request {
        std::shared_ptr<const Rules> rules;
        bool dry_run = false;
        bool again = false; ///< the rules have been applied before
        Done done;
        Applied applied;
        Extent of_cgroups;
        enforce::Units units;
    };

    [[nodiscard]] const std::shared_ptr<const Rules>& latest_rules() const;
    [[nodiscard]] enforce::DropIns generated() const;
    [[nodiscard]] enforce::DropIns drop_ins_in_force() const;
    void add(Request request);
    void start();
    void apply_to_cgroups(Request& request);
    void apply_cgroups(Request& request);
    void apply_filters(Request& request);
    void ask_for_names();
    void ask_for_facts();
    void apply_units();
    bool stop_generator(const Request& request);
    void reload();
    void finish();
    policy::Decision decide(const std::string& cgroup);
    void carry_out(Request& request, enforce::Plan& plan);
    void changed();
    [[nodiscard]] std::string_view drop_in_of(const std::string& unit) const;
    void note_filtered(const event::CgroupMade& made, std::uint64_t event_ns);
    bool has_room(const std::string& path);
    void remember(const std::string& path, enforce::HeldCgroup cgroup);
    void forget_gone();
    static int on_save(sd_event_source* source, std::uint64_t usec, void* self) noexcept;
    static int on_replan(sd_event_source* source, std::uint64_t usec, void* self) noexcept;

    sd_event* loop_;
    const KernelFacts& facts_;
    std::optional<enforce::CgroupTree> tree_;
    EnforcerPlaces places_;
    UniqueFd drop_ins_fd_;
    UniqueFd runtime_fd_;
    std::unique_ptr<ServiceManager> manager_;

    std::shared_ptr<const Rules> rules_;
    bool needs_uid_ = false;
    enforce::Held held_;
    enforce::Room room_; ///< of held_.cgroups
    /// By path of the cgroup, for rules_.
    std::unordered_map<std::string, policy::Decision> decisions_;
    /// The drop-ins in force, as they were last seen: by unit or template.
    enforce::DropIns loaded_;
    std::deque<Request> requests_; ///< the first one may be under way
    bool under_way_ = false;
    bool reload_under_way_ = false; ///< one of ours, of which no signal has come
    Applied last_;
    Extent last_of_cgroups_;
    bool unsaved_ = false;
    std::size_t forget_at_ = 0; ///< cgroups that are held when those that are gone are looked for
    std::uint64_t forget_at_ns_ = 0; ///< the same where one is refused: CLOCK_MONOTONIC
    std::uint64_t save_pause_usec_ = 0;
    std::array<Refusals, 2> refusals_; ///< of cgroups that are not of users, and of those that are
    EventSource save_;
    EventSource replan_;
};

} // namespace rseq::daemon
