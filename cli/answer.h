// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include "cli/selection.h"
#include "cli/status_view.h"
#include "core/kernel_facts.h"
#include "core/result.h"
#include "proc/proc_reader.h"
#include "snapshot/snapshot.h"

#include <string>

namespace rseq::cli {

/// What is to be found out, and how.
struct Question {
    Targets targets;
    bool threads = false;
    bool all = false; ///< kernel threads too
    bool probe = false;
    bool direct = false; ///< do not ask the daemon
};

/// The kernel and its processes, not yet selected by what was asked for.
struct Answer {
    Origin origin;
    KernelFacts facts;
    snapshot::Snapshot snapshot;
};

/// Reads this kernel. `facts` are those of verify::classify(), which takes its time apart from
/// this.
Result<Answer> ask_kernel(const proc::ProcReader& reader, const Question& question,
                          const KernelFacts& facts);

/// Asks the daemon of `host`, or of this machine if it is empty. Fails as Client does.
Result<Answer> ask_daemon(const std::string& host, const Question& question);

/// Asks the daemon of this machine if it runs, and otherwise reads this kernel; so it does if the
/// daemon fails, which is said on stderr, or does not know the same processes by the numbers that
/// were named: it may be slower, or in another pid namespace.
Result<Answer> ask(const proc::ProcReader& reader, const Question& question);

} // namespace rseq::cli
