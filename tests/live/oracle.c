// SPDX-License-Identifier: GPL-2.0-or-later
#define _GNU_SOURCE
#include "live/oracle.h"

#include <errno.h>
#include <linux/ptrace.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static long trace(long request, pid_t tid, uintptr_t address, uintptr_t data) {
    return syscall(SYS_ptrace, request, tid, address, data);
}

int ask_oracle(pid_t tid, struct OracleAnswer* answer) {
    struct ptrace_rseq_configuration configuration = {0};
    int status;
    int error = 0;

    if (trace(PTRACE_ATTACH, tid, 0, 0) != 0) {
        return errno;
    }
    if (waitpid(tid, &status, __WALL) != tid || !WIFSTOPPED(status)) {
        return ESRCH;
    }
    if (trace(PTRACE_GET_RSEQ_CONFIGURATION, tid, sizeof(configuration),
              (uintptr_t)&configuration) < 0) {
        error = errno;
    }
    answer->address = configuration.rseq_abi_pointer;
    answer->length = configuration.rseq_abi_size;
    if (trace(PTRACE_DETACH, tid, 0, 0) != 0 && error == 0) {
        error = errno;
    }
    return error;
}
