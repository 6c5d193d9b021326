// SPDX-License-Identifier: GPL-2.0-or-later
//
// What one system call, context switch, signal, membarrier, thread creation and execve cost a
// thread that is not registered for rseq, registered v1, and registered v2. Made for a machine
// whose clock counts instructions (tests/vm/run --icount): there a nanosecond is an instruction.
//
// Linked with a libc that registers nothing itself (musl). Every mode runs in a child of its own.
// An operation is timed in batches: a timer tick can only add to a batch, so the smallest batch is
// the operation's own cost. All of it is done in several rounds, as the first processes after boot
// can find the kernel in another state than those that follow. Prints a table, tab-separated, with
// a header line:
//   operation  mode  batch  minimum  median     (the last two in nanoseconds for the whole batch)

#define _GNU_SOURCE
#include "registered.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { rounds = 3, sample_count = 60, warm_up = 5, settle_seconds = 6 };
enum { membarrier_private_expedited_rseq = 1 << 7, membarrier_register_rseq = 1 << 8 };

static uint64_t now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void be_fifo(int priority) {
    const struct sched_param param = {.sched_priority = priority};
    // musl's sched_setscheduler() refuses to do this.
    if (syscall(SYS_sched_setscheduler, 0, SCHED_FIFO, &param) != 0) {
        die("sched_setscheduler");
    }
}

static int by_size(const void* a, const void* b) {
    const uint64_t x = *(const uint64_t*)a, y = *(const uint64_t*)b;
    return (x > y) - (x < y);
}

static void measure(const char* operation, int batch, void (*once)(void)) {
    uint64_t samples[sample_count];
    for (int i = -warm_up; i < sample_count; i++) {
        const uint64_t start = now();
        for (int j = 0; j < batch; j++) {
            once();
        }
        const uint64_t end = now();
        if (i >= 0) {
            samples[i] = end - start;
        }
    }
    qsort(samples, sample_count, sizeof samples[0], by_size);
    printf("%s\t%s\t%d\t%llu\t%llu\n", operation, mode_names[mode], batch,
           (unsigned long long)samples[0], (unsigned long long)samples[sample_count / 2]);
    fflush(stdout);
}

static void nothing(void) {}

static void once_getppid(void) {
    syscall(SYS_getppid);
}

static void on_signal(int number) {
    (void)number;
}

static void once_signal(void) {
    raise(SIGUSR1);
}

static void once_membarrier(void) {
    if (syscall(SYS_membarrier, membarrier_private_expedited_rseq, 0, 0) != 0) {
        die("membarrier");
    }
}

static int ping[2], pong[2];

// One byte there and one back: two switches.
static void once_pipe(void) {
    char byte = 0;
    if (write(ping[1], &byte, 1) != 1 || read(pong[0], &byte, 1) != 1) {
        die("pipe");
    }
}

static void measure_pipe(void) {
    if (pipe(ping) != 0 || pipe(pong) != 0) {
        die("pipe");
    }
    // A child of fork() keeps the registration.
    const pid_t partner = fork();
    if (partner == 0) {
        close(ping[1]);
        char byte = 0;
        while (read(ping[0], &byte, 1) == 1 && write(pong[1], &byte, 1) == 1) {
        }
        _exit(0);
    }
    close(ping[0]);
    measure("pipe", 20, once_pipe);
    close(ping[1]);
    waitpid(partner, NULL, 0);
    close(pong[0]);
    close(pong[1]);
}

static volatile int yield_partner_runs;

static void* yield_partner(void* arg) {
    (void)arg;
    register_thread();
    be_fifo(10);
    while (yield_partner_runs) {
        syscall(SYS_sched_yield);
    }
    return NULL;
}

// The partner has the same real-time priority on the same processor, so each yield goes to it, and
// its yield comes back: two switches.
static void once_yield(void) {
    syscall(SYS_sched_yield);
}

static void* touch_rseq(void* arg) {
    register_thread();
    return arg;
}

static void once_thread(void) {
    pthread_t thread;
    if (pthread_create(&thread, NULL, touch_rseq, NULL) != 0 || pthread_join(thread, NULL) != 0) {
        die("pthread_create");
    }
}

static char self[4096];

static void once_execve(void) {
    char* const argv[] = {self, "--exit", NULL};
    char* const envp[] = {NULL};
    const pid_t child = vfork();
    if (child == 0) {
        execve(self, argv, envp);
        _exit(127);
    }
    int status = -1;
    if (waitpid(child, &status, 0) != child || status != 0) {
        die("execve");
    }
}

static void measure_mode(void) {
    register_thread();
    be_fifo(10);
    measure("nothing", 100, nothing);
    measure("getppid", 100, once_getppid);
    measure_pipe();

    pthread_t partner;
    yield_partner_runs = 1;
    if (pthread_create(&partner, NULL, yield_partner, NULL) != 0) {
        die("pthread_create");
    }
    // Let the partner reach its loop: it starts with ordinary priority, so sleep rather than yield.
    usleep(20000);
    measure("yield", 20, once_yield);
    yield_partner_runs = 0;
    pthread_join(partner, NULL);

    signal(SIGUSR1, on_signal);
    measure("signal", 20, once_signal);
    if (syscall(SYS_membarrier, membarrier_register_rseq, 0, 0) != 0) {
        die("membarrier");
    }
    measure("membarrier", 100, once_membarrier);
    measure("thread", 5, once_thread);
    measure("execve", 1, once_execve);
}

int main(int argc, char** argv) {
    if (argc == 2 && strcmp(argv[1], "--exit") == 0) {
        return 0;
    }
    if (readlink("/proc/self/exe", self, sizeof self - 1) < 0) {
        die("/proc/self/exe");
    }
    // A booting kernel tests itself for some seconds; the clock of the machine jumps over idle
    // time.
    while (now() < settle_seconds * 1000000000ull) {
        usleep(100000);
    }
    printf("operation\tmode\tbatch\tminimum\tmedian\n");
    fflush(stdout);
    if (v2_length() <= v1_length) {
        fprintf(stderr, "cost: this kernel does not offer v2\n");
    }
    for (int i = 0; i < 3 * rounds; i++) {
        mode = (enum mode)(i % 3);
        if (mode == v2 && v2_length() <= v1_length) {
            continue;
        }
        const pid_t child = fork();
        if (child == 0) {
            measure_mode();
            exit(0);
        }
        int status = -1;
        if (waitpid(child, &status, 0) != child || status != 0) {
            fprintf(stderr, "cost: %s: ended with status 0x%x\n", mode_names[mode],
                    (unsigned)status);
            return 1;
        }
    }
    return 0;
}
