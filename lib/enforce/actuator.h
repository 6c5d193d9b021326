// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include "core/result.h"
#include "enforce/cgroup_tree.h"
#include "enforce/plan.h"

#include <optional>
#include <vector>

namespace rseq::enforce {

/// Takes actions, or only looks as if it did.
class Actuator {
public:
    Actuator() = default;
    Actuator(const Actuator&) = delete;
    Actuator& operator=(const Actuator&) = delete;
    virtual ~Actuator() = default;

    /// Takes one action other than ActionKind::reload. ENOENT and ENODEV of a write to a cgroup say
    /// that it is gone.
    virtual Result<void> perform(const Action& action) = 0;
};

/// For a dry run: does nothing, and nothing fails.
class DryRun : public Actuator {
public:
    Result<void> perform(const Action& action) override;
};

/// The real thing. What is handed to it has to outlive it.
class FileActuator : public Actuator {
public:
    /// `drop_ins_fd`: the directory of drop_in_root, -1 if there is no service manager.
    FileActuator(const CgroupTree& tree, int drop_ins_fd)
        : tree_(tree), drop_ins_fd_(drop_ins_fd) {}

    Result<void> perform(const Action& action) override;

private:
    const CgroupTree& tree_;
    int drop_ins_fd_;
};

/// What came of one action.
struct Outcome {
    Action action;
    std::optional<Error> error = std::nullopt; ///< nothing if it was taken
};

/// Takes all actions but a reload, in their order; one that fails keeps none of the others. `held`
/// becomes what is really held: `plan.held`, but as `before` where an action failed, and without
/// the cgroups that turned out to be gone. Reloading is left to the caller, who has an event loop;
/// `held.reload_pending` says whether there is something to be read, now or since before.
std::vector<Outcome> execute(const Plan& plan, const Held& before, Actuator& actuator, Held& held);

} // namespace rseq::enforce
