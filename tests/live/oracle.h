// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What a thread has registered for rseq, found out in the plainest way there is and sharing nothing
 * with the code under test: PTRACE_ATTACH, wait, PTRACE_GET_RSEQ_CONFIGURATION, PTRACE_DETACH. */
struct OracleAnswer {
    unsigned long long address; /* 0: not registered */
    unsigned length;            /* bytes; without meaning if not registered */
};

/* 0, or the errno of what failed. */
int ask_oracle(pid_t tid, struct OracleAnswer* answer);

#ifdef __cplusplus
}
#endif
