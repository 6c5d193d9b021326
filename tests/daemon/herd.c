// SPDX-License-Identifier: GPL-2.0-or-later
// herd V1 V2 VIOLATING: starts that many processes of each kind as fast as it can, each a program
// of its own that registers itself for rseq, as v1, as v2, and as v2 to overwrite a read-only field
// after that. Linked with a libc that registers nothing itself. Prints one line for each,
//     v1|v2|FIELD PID
// in the order of the start, then `ready SECONDS` when all of the first two kinds have registered
// and all of the third have been killed, and keeps the rest alive until its standard input ends.
// Exit status 77: this kernel has no v2.

#define _GNU_SOURCE
#include "vm/cost/registered.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>

enum { id_fields = 4, exit_unavailable = 77 };
static const struct {
    const char* name;
    size_t offset;
} fields[id_fields] = {{"cpu_id_start", 0}, {"cpu_id", 4}, {"node_id", 20}, {"mm_cid", 24}};

// The kernel looks when it next has something to update: this one changes its CPU until then.
static void violate(size_t field) {
    const uint32_t mark = 0x80000003;
    memcpy(area + fields[field].offset, &mark, sizeof mark);
    for (unsigned round = 0;; ++round) {
        cpu_set_t set;
        CPU_ZERO(&set);
        CPU_SET(round % 2, &set);
        sched_setaffinity(0, sizeof set, &set);
    }
}

// herd --member KIND: what each process executes. Standard output is a pipe to the herd.
static int be_member(const char* kind) {
    const char done = '.';
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    mode = strcmp(kind, "v1") == 0 ? v1 : v2;
    register_thread();
    for (size_t i = 0; i < id_fields; ++i) {
        if (strcmp(kind, fields[i].name) == 0) {
            violate(i);
        }
    }
    if (write(STDOUT_FILENO, &done, 1) != 1) {
        return 1;
    }
    for (;;) {
        pause();
    }
}

static pid_t start(char* self, const char* kind, int output) {
    const pid_t pid = vfork();
    if (pid == 0) {
        dup2(output, STDOUT_FILENO);
        execl(self, self, "--member", kind, (char*)NULL);
        _exit(127);
    }
    if (pid < 0) {
        die("vfork");
    }
    return pid;
}

int main(int argc, char** argv) {
    if (argc == 3 && strcmp(argv[1], "--member") == 0) {
        return be_member(argv[2]);
    }
    if (argc != 4) {
        fprintf(stderr, "usage: herd V1 V2 VIOLATING\n");
        return 2;
    }
    const long counts[] = {atol(argv[1]), atol(argv[2]), atol(argv[3])};
    const long all = counts[0] + counts[1] + counts[2];
    pid_t* pids = calloc((size_t)all, sizeof *pids);
    const char** kinds = calloc((size_t)all, sizeof *kinds);
    struct timespec begin, end;
    int pipe_ends[2];
    char byte;

    if (counts[1] + counts[2] > 0 && v2_length() <= v1_length) {
        fprintf(stderr, "herd: this kernel has no v2\n");
        return exit_unavailable;
    }
    if (pids == NULL || kinds == NULL || pipe2(pipe_ends, O_CLOEXEC) != 0) {
        die("cannot prepare");
    }
    clock_gettime(CLOCK_MONOTONIC, &begin);
    // The kinds in turns.
    long left[] = {counts[0], counts[1], counts[2]};
    for (long i = 0, kind = 0; i < all; kind = (kind + 1) % 3) {
        if (left[kind] > 0) {
            --left[kind];
            kinds[i] = kind == 0 ? "v1" : kind == 1 ? "v2" : fields[i % id_fields].name;
            pids[i] = start(argv[0], kinds[i], pipe_ends[1]);
            ++i;
        }
    }
    for (long i = 0; i < counts[0] + counts[1]; ++i) {
        if (read(pipe_ends[0], &byte, 1) != 1) {
            die("a member failed");
        }
    }
    for (long i = 0; i < all; ++i) {
        int status = 0;
        if (kinds[i][0] != 'v' && waitpid(pids[i], &status, 0) == pids[i] &&
            (!WIFSIGNALED(status) || WTERMSIG(status) != SIGSEGV)) {
            fprintf(stderr, "herd: %s was not killed: status %#x\n", kinds[i], status);
            return 1;
        }
    }
    clock_gettime(CLOCK_MONOTONIC, &end);
    for (long i = 0; i < all; ++i) {
        printf("%s %d\n", kinds[i], (int)pids[i]);
    }
    printf("ready %.3f\n",
           (double)(end.tv_sec - begin.tv_sec) + (double)(end.tv_nsec - begin.tv_nsec) / 1e9);
    fflush(stdout);
    while (read(STDIN_FILENO, &byte, 1) > 0) {
    }
    for (long i = 0; i < all; ++i) {
        if (kinds[i][0] == 'v') {
            kill(pids[i], SIGKILL);
        }
    }
    return 0;
}
