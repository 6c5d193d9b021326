// SPDX-License-Identifier: GPL-2.0-or-later
#include "ptrace/prober.h"
#include "snapshot/sources.h"

#include <cerrno>
#include <utility>

namespace rseq::snapshot {

Result<Snapshot> from_ptrace(const Context& context) {
    const bool has_abi = context.reader.has_rseq_files();
    return for_each_process(
        context, [&](Process& process, proc::ProcessDir& dir, Snapshot& snapshot) {
            const auto tids = dir.threads();
            if (!tids) {
                return false;
            }
            if (has_abi) {
                const auto rseq = dir.rseq();
                process.policy = rseq ? rseq->policy : std::nullopt;
            }
            for (const pid_t tid : *tids) {
                auto comm = dir.thread_comm(tid);
                if (!comm) {
                    continue; // this thread has ended
                }
                std::optional<Registration> registration;
                if (process.kernel_thread) {
                    registration = Registration{}; // it has no user space to register
                } else if (auto answer = ptrace::probe_thread(tid)) {
                    registration = *answer;
                    process.source = Evidence::ptrace;
                    // ptrace knows the length alone, which such a policy overrules.
                    if (process.policy && process.policy->mode == PolicyMode::legacy) {
                        registration->version = std::uint8_t{1};
                    }
                } else if (answer.error().code == ESRCH) {
                    continue;
                } else {
                    snapshot.unknown_reason = answer.error().message();
                }
                add_thread(context, process, tid, std::move(*comm), registration);
            }
            return process.threads.total() > 0;
        });
}

} // namespace rseq::snapshot
