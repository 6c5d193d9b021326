// SPDX-License-Identifier: GPL-2.0-or-later
#include "enforce/plan.h"

namespace rseq::enforce {

std::string_view to_string(ActionKind kind) {
    switch (kind) {
    case ActionKind::write_setting:
        return "cgroup";
    case ActionKind::write_drop_in:
        return "drop-in";
    case ActionKind::remove_drop_in:
        return "remove drop-in";
    case ActionKind::reload:
        break;
    }
    return "reload";
}

std::string_view to_string(NoteKind kind) {
    switch (kind) {
    case NoteKind::unenforceable:
        return "unenforceable";
    case NoteKind::partial:
        return "partial";
    case NoteKind::left_alone:
        break;
    }
    return "left alone";
}

} // namespace rseq::enforce
