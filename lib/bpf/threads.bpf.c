// SPDX-License-Identifier: GPL-2.0-or-later
// The task iterator for a reader in the initial pid namespace: a record for every thread there is.

#include "bpf/task_record.bpf.h"

char LICENSE[] SEC("license") = "GPL";

SEC("iter/task")
int threads(struct bpf_iter__task* ctx) {
    const struct task_struct* task = ctx->task;

    // The iterator's last call, after the last task.
    if (!task) {
        return 0;
    }
    return write_record(ctx, task, (__u32)task->tgid, (__u32)task->pid);
}
