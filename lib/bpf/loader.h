// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

/* The system calls behind TaskIterator, in C because the generated skeletons are C and no C++. */

#ifdef __cplusplus
extern "C" {
#endif

/* Loads the iterator for a reader in the initial pid namespace, or else the one for any other, and
 * attaches it. Returns the link, a file descriptor that keeps the program alive and that the caller
 * closes, or a negative errno. */
int rseq_attach_threads(void);
int rseq_attach_nested_threads(void);

/* Begins a pass: a file descriptor to be read to its end, or -1 and errno. */
int rseq_begin_pass(int link_fd);

#ifdef __cplusplus
}
#endif
