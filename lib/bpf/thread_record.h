// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

/* What the task iterator writes for each thread, compiled once for the kernel side and once for the
 * user side: plain C, no includes (the kernel side has none of libc's headers), no padding. Byte
 * order and alignment are those of the running machine. The two sides are always built together, so
 * the layout carries no version of its own. */

#define RSEQ_RECORD_COMM_SIZE 16

/* Bits of RseqThreadRecord::flags. */
enum RseqRecordFlag {
    RSEQ_RECORD_KERNEL_THREAD = 1 << 0,
    RSEQ_RECORD_REGISTERED = 1 << 1,
    /* This kernel has the members of task_struct that tell about a registration. Without this bit
     * everything about the registration is unknown, not absent. */
    RSEQ_RECORD_LAYOUT_KNOWN = 1 << 2,
    /* This kernel keeps a version number; `version` is meaningful. */
    RSEQ_RECORD_HAS_VERSION = 1 << 3,
    RSEQ_RECORD_SLICE_BUILT = 1 << 4,
    RSEQ_RECORD_SLICE_ENABLED = 1 << 5,
};

#define RSEQ_RECORD_ALL_FLAGS 0x3f

struct RseqThreadRecord {
    /* Start of the thread group's leader in nanoseconds of CLOCK_BOOTTIME. */
    unsigned long long leader_start;
    /* Inode number of the directory in the cgroup v2 hierarchy. */
    unsigned long long cgroup_id;
    /* Numbers as seen in the pid namespace of the reader. */
    unsigned int tgid;
    unsigned int tid;
    unsigned int length;
    unsigned short flags;
    unsigned short version;
    char comm[RSEQ_RECORD_COMM_SIZE];
};
