// SPDX-License-Identifier: GPL-2.0-or-later
// Programs that tests/vm/answers observes, which need no more C library than musl:
//   answers pause            waits; musl, which never registers
//   answers enosys CMD...    runs the command with a filter that lets rseq(2) fail with ENOSYS
#define _GNU_SOURCE
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static int run_filtered(char** command) {
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_rseq, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {.len = sizeof(code) / sizeof(code[0]), .filter = code};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) {
        perror("answers: seccomp");
        return 1;
    }
    execvp(command[0], command);
    perror(command[0]);
    return 1;
}

int main(int argc, char** argv) {
    if (argc > 2 && strcmp(argv[1], "enosys") == 0) {
        return run_filtered(argv + 2);
    }
    if (argc == 2 && strcmp(argv[1], "pause") == 0) {
        for (;;) {
            pause();
        }
    }
    fprintf(stderr, "usage: answers pause | enosys COMMAND...\n");
    return 2;
}
