// SPDX-License-Identifier: GPL-2.0-or-later
// The least that an iterator over tasks can do to be of use: number, name and registration of each.

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

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct task_struct {
    int pid;
    int tgid;
    char comm[16];
};

// Up to Linux 6.18.
struct task_struct___split {
    void* rseq;
};

// Since Linux 6.19.
struct rseq_data {
    void* usrptr;
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

char LICENSE[] SEC("license") = "GPL";

SEC("iter/task")
int bare(struct bpf_iter__task* ctx) {
    const struct task_struct* task = ctx->task;
    struct {
        __u64 rseq;
        __u32 pid;
        __u32 tgid;
        char comm[16];
    } record = {};

    if (!task) {
        return 0;
    }
    record.pid = (__u32)task->pid;
    record.tgid = (__u32)task->tgid;
    __builtin_memcpy(record.comm, task->comm, sizeof(record.comm));
    const struct task_struct___data* data = (const void*)task;
    const struct task_struct___split* split = (const void*)task;
    if (bpf_core_field_exists(data->rseq.usrptr)) {
        record.rseq = (__u64)data->rseq.usrptr;
    } else if (bpf_core_field_exists(split->rseq)) {
        record.rseq = (__u64)split->rseq;
    }
    bpf_seq_write(ctx->meta->seq, &record, sizeof(record));
    return 0;
}
