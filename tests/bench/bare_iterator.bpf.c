// SPDX-License-Identifier: GPL-2.0-or-later
// The least that a task iterator can do and still be of use: number, registration and name of each
// thread. It knows one layout alone, that of kernels up to 6.18.

typedef unsigned char __u8;
typedef unsigned short __u16;
typedef unsigned int __u32;
typedef int __s32;
typedef unsigned long long __u64;
typedef long long __s64;
typedef __u16 __be16;
typedef __u32 __be32;
typedef __u32 __wsum;

#include <bpf/bpf_helpers.h>

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct task_struct {
    int pid;
    int tgid;
    void* rseq;
    char comm[16];
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
    struct {
        int tgid;
        int tid;
        __u64 registered;
        char comm[16];
    } record;
    const struct task_struct* task = ctx->task;

    if (!task) {
        return 0;
    }
    record.tgid = task->tgid;
    record.tid = task->pid;
    record.registered = task->rseq != 0;
    __builtin_memcpy(record.comm, task->comm, sizeof(record.comm));
    bpf_seq_write(ctx->meta->seq, &record, sizeof(record));
    return 0;
}
