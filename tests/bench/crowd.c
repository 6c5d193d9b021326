// SPDX-License-Identifier: GPL-2.0-or-later
// bench_crowd PROCESSES THREADS: that many idle processes of that many threads each. Prints `ready`
// and lets them live until its standard input ends.

#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

static void* idle(void* unused) {
    (void)unused;
    for (;;) {
        pause();
    }
    return NULL;
}

static void live(long threads, int ready) {
    pthread_attr_t attributes;
    pthread_t thread;
    const char failed = 'f';
    const char done = 'd';

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, 64 * 1024);
    for (long i = 1; i < threads; ++i) {
        if (pthread_create(&thread, &attributes, idle, NULL) != 0) {
            _exit(write(ready, &failed, 1) == 1 ? 1 : 2);
        }
    }
    if (write(ready, &done, 1) != 1) {
        _exit(2);
    }
    idle(NULL);
}

int main(int argc, char** argv) {
    const long processes = argc == 3 ? strtol(argv[1], NULL, 10) : 0;
    const long threads = argc == 3 ? strtol(argv[2], NULL, 10) : 0;
    int ready[2];
    char byte = 0;

    if (processes < 1 || threads < 1) {
        fprintf(stderr, "usage: bench_crowd PROCESSES THREADS\n");
        return 2;
    }
    if (pipe(ready) != 0) {
        perror("bench_crowd: pipe");
        return 1;
    }
    for (long i = 0; i < processes; ++i) {
        const pid_t pid = fork();
        if (pid < 0) {
            perror("bench_crowd: fork");
            return 1;
        }
        if (pid == 0) {
            close(STDIN_FILENO);
            live(threads, ready[1]);
        }
    }
    close(ready[1]);
    for (long i = 0; i < processes; ++i) {
        if (read(ready[0], &byte, 1) != 1 || byte != 'd') {
            fprintf(stderr, "bench_crowd: cannot create the threads\n");
            return 1;
        }
    }
    printf("ready\n");
    fflush(stdout);
    while (read(STDIN_FILENO, &byte, 1) > 0) {
    }
    return 0;
}
