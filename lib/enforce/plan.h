// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include "enforce/held.h"
#include "enforce/setting.h"
#include "policy/rule.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

/// From rules to what has to be done: plan_cgroups.h and plan_units.h make plans and do nothing,
/// execute() in actuator.h does what a plan says and plans nothing.
namespace rseq::enforce {

enum class ActionKind : std::uint8_t {
    write_setting,  ///< one line to cgroup.rseq of a cgroup
    write_drop_in,  ///< the drop-in of a unit or template
    remove_drop_in, ///< the same
    reload,         ///< the service manager reads its files anew
};

/// A word for people and for the bus: "cgroup", "drop-in", "remove drop-in", "reload".
[[nodiscard]] std::string_view to_string(ActionKind kind);

/// One thing to be done.
struct Action {
    ActionKind kind{};
    /// Path of the cgroup, untrusted; or name of the unit or template; empty for a reload.
    std::string target;
    /// write_setting: the line to write and the one that is there.
    std::optional<Setting> setting = std::nullopt;
    std::optional<Setting> setting_before = std::nullopt;
    /// Drop-ins: their text, and that which is there; empty where there is none.
    std::string text;
    std::string text_before;
    /// The rule that asks for it, and where it was written. Without a name where something is put
    /// back because no rule asks for it any more.
    std::string rule;
    policy::Origin origin;

    friend bool operator==(const Action&, const Action&) = default;
};

enum class NoteKind : std::uint8_t {
    unenforceable, ///< what a rule asks for cannot be had
    partial,       ///< what a rule asks for is not had without a gap
    left_alone,    ///< somebody else changed what we wrote, or has taken our place
};

[[nodiscard]] std::string_view to_string(NoteKind kind);

/// Something that is not as a rule wants it, and for which there is no action.
struct Note {
    NoteKind kind{};
    std::string target; ///< as in Action, or the pattern of the rule
    std::string what;   ///< "mode legacy" and the like
    std::string reason; ///< one clause for people
    std::string rule;
    policy::Origin origin;

    friend bool operator==(const Note&, const Note&) = default;
};

/// The reason of a note where the kernel is why.
inline constexpr std::string_view unenforceable_here = "unenforceable on this kernel";

/// What has to be done, in this order.
struct Plan {
    std::vector<Action> actions;
    std::vector<Note> notes;
    /// What will be held when all of the actions have been taken.
    Held held;
};

} // namespace rseq::enforce
