// SPDX-License-Identifier: GPL-2.0-or-later
//
// A load of forks, signals and context switches by processes that are not registered for rseq,
// registered v1, and registered v2, and what the kernel counted meanwhile (CONFIG_RSEQ_STATS,
// debugfs rseq/stats). Prints a table, tab-separated, with a header line; the counts are those of
// the whole machine, which has nothing else to do.

#define _GNU_SOURCE
#include "registered.h"

#include <signal.h>
#include <sys/wait.h>

enum { workers = 4, rounds = 250, signals = 20, switches = 20 };

enum count { exits, slow_path, fast_path, id_updates, sections, counts };
static const char* const keys[counts] = {"exit:", "slowp:", "fastp:", "ids:", "cs:"};

static void read_counts(unsigned long long* values) {
    FILE* file = fopen("/sys/kernel/debug/rseq/stats", "r");
    char key[32];
    unsigned long long value;

    if (file == NULL) {
        die("/sys/kernel/debug/rseq/stats");
    }
    memset(values, 0, counts * sizeof *values);
    while (fscanf(file, "%31s %llu", key, &value) == 2) {
        for (int i = 0; i < counts; i++) {
            if (strcmp(key, keys[i]) == 0) {
                values[i] = value;
            }
        }
    }
    fclose(file);
}

static void on_signal(int number) {
    (void)number;
}

static void wait_for(pid_t child) {
    int status = -1;
    if (child < 0 || waitpid(child, &status, 0) != child || status != 0) {
        fprintf(stderr, "load: %s: a child ended with status 0x%x\n", mode_names[mode],
                (unsigned)status);
        exit(1);
    }
}

// One round of a worker: a child that handles signals, and passes a byte to and fro.
static void fork_signal_switch(void) {
    int there[2];
    int back[2];
    char byte = 0;

    if (pipe(there) != 0 || pipe(back) != 0) {
        die("pipe");
    }
    const pid_t child = fork();
    if (child == 0) {
        for (int i = 0; i < signals; i++) {
            raise(SIGUSR1);
        }
        for (int i = 0; i < switches; i++) {
            if (read(there[0], &byte, 1) != 1 || write(back[1], &byte, 1) != 1) {
                _exit(1);
            }
        }
        _exit(0);
    }
    for (int i = 0; i < switches; i++) {
        if (write(there[1], &byte, 1) != 1 || read(back[0], &byte, 1) != 1) {
            die("pipe");
        }
    }
    wait_for(child);
    for (int i = 0; i < 2; i++) {
        close(there[i]);
        close(back[i]);
    }
}

static void work(void) {
    register_thread(); // its children inherit that
    for (int i = 0; i < rounds; i++) {
        fork_signal_switch();
    }
}

int main(void) {
    signal(SIGUSR1, on_signal);
    printf("thread\texits\tslow path\tfast path\tID updates\tsections\n");
    for (mode = unregistered; mode <= v2; mode++) {
        unsigned long long before[counts];
        unsigned long long after[counts];
        pid_t children[workers];

        fflush(stdout);
        read_counts(before);
        for (int i = 0; i < workers; i++) {
            children[i] = fork();
            if (children[i] == 0) {
                work();
                _exit(0);
            }
        }
        for (int i = 0; i < workers; i++) {
            wait_for(children[i]);
        }
        read_counts(after);
        printf("%s", mode_names[mode]);
        for (int i = 0; i < counts; i++) {
            printf("\t%llu", after[i] - before[i]);
        }
        printf("\n");
    }
    return 0;
}
