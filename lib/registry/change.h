// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include "core/event.h"
#include "registry/process.h"

#include <cstdint>
#include <span>
#include <string_view>

namespace rseq::registry {

enum class ChangeKind : std::uint8_t {
    appeared,           ///< a process that was not known
    gone,               ///< a process has ended
    mode_changed,       ///< of a process, `before` to `after`
    registered,         ///< event::Registered without an error; before and after of the thread
    refused,            ///< event::Registered with an error: nothing changed
    unregistered,       ///< event::Unregistered without an error; before and after of the thread
    unregister_refused, ///< event::Unregistered with an error: nothing changed
    policy_latched,     ///< event::PolicyLatched; Process::policy follows with `executed`
    executed,           ///< event::Executed; the process is the new program already
    violation,          ///< event::Violation; the process is about to be killed
    slice,              ///< event::SliceEnabled, SliceGranted or SliceEnded
};

/// Something that an event or a scan changed, or an event that is of interest by itself.
struct Change {
    ChangeKind kind{};
    pid_t pid = 0; ///< 0 if the event does not tell, and the thread is not known
    pid_t tid = 0; ///< of the thread that it is about; pid where it is about the process
    Mode before = Mode::unknown;
    Mode after = Mode::unknown;
    /// The process after the change; for `gone`, before it. Null if it is not known.
    const Process* process = nullptr;
    /// The name of the thread, of the process if it is not known, or empty. Untrusted.
    std::string_view comm;
    /// What was handed to apply(). Null if a scan told.
    const Event* event = nullptr;
};

/// In the order in which they are to be told. Valid, with all that they point to, until the
/// registry is changed again.
using Changes = std::span<const Change>;

} // namespace rseq::registry
