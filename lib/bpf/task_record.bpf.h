// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

// What the iterators share: the kernel's structures and the writing of one record. They declare
// only the members that they read; where the running kernel has them is found when they are loaded
// (CO-RE). They have no maps and no global data: each would cost system calls at every load.

typedef unsigned char __u8;
typedef unsigned short __u16;
typedef short __s16;
typedef unsigned int __u32;
typedef int __s32;
typedef unsigned long long __u64;
typedef long long __s64;
typedef __u16 __be16;
typedef __u32 __be32;
typedef __u32 __wsum;

#include <bpf/bpf_helpers.h>
// Needs the types above and the helpers.
#include "bpf/thread_record.h"

#include <bpf/bpf_core_read.h>

#define PF_EXITING 0x00000004
#define PF_KTHREAD 0x00200000

// The size of struct rseq in every kernel that demands exactly this length and so keeps none.
#define ORIGINAL_LENGTH 32

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct kernfs_node {
    __u64 id;
};

struct cgroup {
    struct kernfs_node* kn;
};

struct css_set {
    struct cgroup* dfl_cgrp;
};

struct pid;

struct task_struct {
    unsigned int flags;
    int exit_state;
    int pid;
    int tgid;
    __u64 start_boottime;
    struct task_struct* group_leader;
    struct pid* thread_pid;
    struct css_set* cgroups;
    char comm[RSEQ_RECORD_COMM_SIZE];
};

// Up to Linux 6.18 the registration is in members of the task itself; rseq_len only since 6.3.
struct task_struct___split {
    void* rseq;
    __u32 rseq_len;
};

// Linux 6.19 moved it into one structure; `slice` only if slice extensions are built.
struct rseq_event {
    __u8 has_rseq;
};

union rseq_slice_state {
    struct {
        __u8 enabled;
    };
};

struct rseq_slice {
    union rseq_slice_state state;
};

struct rseq_data {
    void* usrptr;
    __u32 len;
    struct rseq_event event;
    struct rseq_slice slice;
};

struct task_struct___data {
    struct rseq_data rseq;
};

struct seq_file;

struct bpf_iter_meta {
    struct seq_file* seq;
};

struct bpf_iter__task {
    struct bpf_iter_meta* meta;
    struct task_struct* task;
};

#pragma clang attribute pop

static __always_inline void read_split(const struct task_struct___split* task,
                                       struct RseqThreadRecord* record) {
    record->flags |= RSEQ_RECORD_LAYOUT_KNOWN;
    if (task->rseq == 0) {
        return;
    }
    record->flags |= RSEQ_RECORD_REGISTERED;
    record->length = ORIGINAL_LENGTH;
    if (bpf_core_field_exists(task->rseq_len)) {
        record->length = task->rseq_len;
    }
}

static __always_inline void read_data(const struct task_struct___data* task,
                                      struct RseqThreadRecord* record) {
    record->flags |= RSEQ_RECORD_LAYOUT_KNOWN;
    if (bpf_core_field_exists(task->rseq.slice)) {
        record->flags |= RSEQ_RECORD_SLICE_BUILT;
    }
    if (task->rseq.usrptr == 0) {
        return;
    }
    record->flags |= RSEQ_RECORD_REGISTERED;
    record->length = task->rseq.len;
    if (bpf_core_field_exists(task->rseq.event.has_rseq)) {
        record->flags |= RSEQ_RECORD_HAS_VERSION;
        record->version = task->rseq.event.has_rseq;
    }
    if (bpf_core_field_exists(task->rseq.slice) && task->rseq.slice.state.enabled) {
        record->flags |= RSEQ_RECORD_SLICE_ENABLED;
    }
}

static __always_inline int write_record(const struct bpf_iter__task* ctx,
                                        const struct task_struct* task, __u32 tgid, __u32 tid) {
    struct RseqThreadRecord record = {.tgid = tgid, .tid = tid};

    // One that has begun to exit keeps its last registration, which nothing will ever use. It must
    // not be told about any more: that it ends has been told by an event already, or is told soon.
    if (task->exit_state != 0 || (task->flags & PF_EXITING)) {
        return 0;
    }
    record.leader_start = task->group_leader->start_boottime;
    record.cgroup_id = task->cgroups->dfl_cgrp->kn->id;
    // Two words, not a string function: a name that is just being changed may be torn, never long.
    __builtin_memcpy(record.comm, task->comm, sizeof(record.comm));
    if (task->flags & PF_KTHREAD) {
        record.flags |= RSEQ_RECORD_KERNEL_THREAD;
    }
    const struct task_struct___data* data = (const void*)task;
    const struct task_struct___split* split = (const void*)task;
    if (bpf_core_field_exists(data->rseq.usrptr)) {
        read_data(data, &record);
    } else if (bpf_core_field_exists(split->rseq)) {
        read_split(split, &record);
    }
    // A full buffer is no error: the kernel shows the same task again to the next read(2).
    bpf_seq_write(ctx->meta->seq, &record, sizeof(record));
    return 0;
}
