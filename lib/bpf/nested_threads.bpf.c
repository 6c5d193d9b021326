// SPDX-License-Identifier: GPL-2.0-or-later
// The task iterator for a reader in any other pid namespace: the kernel passes it only the tasks
// that are seen there. It needs a helper that kernels locked down to confidentiality withhold, and
// so it is not the one for everybody.

#include "bpf/task_record.bpf.h"

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct upid {
    int nr;
};

struct pid {
    unsigned int level;
    struct upid numbers[1];
};

#pragma clang attribute pop

char LICENSE[] SEC("license") = "GPL";

// A pid has one number in each namespace that it is seen in, outermost first.
static __always_inline __u32 number_at(const struct pid* pid, __u32 level) {
    const void* first = __builtin_preserve_access_index(&pid->numbers[0].nr);
    int number = 0;

    bpf_probe_read_kernel(&number, sizeof(number), first + level * bpf_core_type_size(struct upid));
    return (__u32)number;
}

SEC("iter/task")
int nested_threads(struct bpf_iter__task* ctx) {
    const struct task_struct* task = ctx->task;

    if (!task) {
        return 0;
    }
    const struct task_struct* reader = (const void*)bpf_get_current_task_btf();
    __u32 level = reader->thread_pid->level;
    const struct pid* pid = task->thread_pid;
    const struct pid* leader = task->group_leader->thread_pid;

    // A task that is being released has lost its pid; it has no thread to show any more.
    if (!pid || !leader || pid->level < level || leader->level < level) {
        return 0;
    }
    return write_record(ctx, task, number_at(leader, level), number_at(pid, level));
}
