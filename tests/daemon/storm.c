// SPDX-License-Identifier: GPL-2.0-or-later
// storm PROCESSES: starts and reaps that many short processes as fast as it can, some dozens at a
// time. One in eight executes a program, one in eight makes a thread before it ends, one in four
// registers for rseq. Prints `PROCESSES SECONDS`. storm 0 goes on until it is killed.

#define _GNU_SOURCE
#include "vm/cost/registered.h"

#include <pthread.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>

enum { at_a_time = 48 };

static void* nothing(void* unused) {
    return unused;
}

static void live_shortly(char* self, long number) {
    pthread_t thread;

    if (number % 4 == 1) {
        mode = number % 8 == 1 || v2_length() <= v1_length ? v1 : v2;
        register_thread();
    }
    if (number % 8 == 2) {
        execl(self, self, "--end", (char*)NULL);
        _exit(127);
    }
    if (number % 8 == 3 && pthread_create(&thread, NULL, nothing, NULL) == 0) {
        pthread_join(thread, NULL);
    }
    _exit(0);
}

int main(int argc, char** argv) {
    struct timespec begin, end;

    if (argc != 2) {
        fprintf(stderr, "usage: storm PROCESSES\n");
        return 2;
    }
    if (strcmp(argv[1], "--end") == 0) {
        return 0;
    }
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    const long all = atol(argv[1]);
    long alive = 0;
    clock_gettime(CLOCK_MONOTONIC, &begin);
    for (long i = 0; all == 0 || i < all; ++i) {
        const pid_t pid = fork();
        if (pid < 0) {
            die("fork");
        }
        if (pid == 0) {
            live_shortly(argv[0], i);
        }
        if (++alive == at_a_time) {
            wait(NULL);
            --alive;
        }
    }
    while (wait(NULL) > 0) {
    }
    clock_gettime(CLOCK_MONOTONIC, &end);
    printf("%ld %.3f\n", all,
           (double)(end.tv_sec - begin.tv_sec) + (double)(end.tv_nsec - begin.tv_nsec) / 1e9);
    return 0;
}
