// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What the sources of a snapshot are measured against: plain C that does the same system calls and
 * nothing with what it reads. */

/* Loads the bare iterator; a descriptor of its link, or a negative errno. */
int bare_attach(void);

/* One pass: bytes that were read, -1 with errno set. */
long bare_pass(int link_fd, void* buffer, size_t size);

/* Reads stat, cgroup and rseq of every process of a tree like /proc; bytes that were read. */
long bare_proc(int root_fd);

#ifdef __cplusplus
}
#endif
