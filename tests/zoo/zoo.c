// SPDX-License-Identifier: GPL-2.0-or-later
// zoo KIND THREADS: a process whose threads are registered for rseq in one known way. It prints
//     thread TID LENGTH     for each of its threads, the main thread included; LENGTH is what the
//                           thread registered itself, 0 after it unregistered, or `libc` where that
//                           is the C library's choice
//     ready
// and waits until its standard input ends. It dies with its parent. Exit status 77: this kernel or
// this C library does not offer what the kind needs.

#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef AT_RSEQ_FEATURE_SIZE
#define AT_RSEQ_FEATURE_SIZE 27
#define AT_RSEQ_ALIGN 28
#endif

enum {
    most_threads = 4096,
    original_length = 32,
    // More than any kernel offers so far.
    area_size = 256,
    // What glibc and librseq use on x86-64; glibc's own is needed to undo its registration.
    signature = 0x53053053,
    flag_unregister = 1,
    // linux/prctl.h, asm/unistd.h and linux/rseq.h of kernels with slice extensions.
    prctl_slice = 79,
    prctl_slice_set = 2,
    prctl_slice_enable = 1,
    sys_slice_yield = 471,
    offset_slice_request = 28,
    offset_slice_granted = 29,
    exit_unavailable = 77,
};

#define TUNABLE "glibc.pthread.rseq=0"

// glibc since 2.35; absent elsewhere.
extern const ptrdiff_t __rseq_offset __attribute__((weak));

enum length { by_libc = -1, none = 0 };

struct animal {
    pthread_t thread;
    pid_t tid;
    int length;
};

static struct animal animals[most_threads];
static unsigned char areas[most_threads][area_size] __attribute__((aligned(area_size)));
static pthread_barrier_t settled;

static const struct kind {
    const char* name;
    // Whether the C library must not have registered first.
    int alone;
} kinds[] = {
    {"libc", 0},         // as the C library does it
    {"none", 1},         // nobody registers
    {"original", 1},     // 32 bytes
    {"long", 1},         // 64 bytes, whatever is offered
    {"offered", 1},      // what the kernel offers beyond the original size
    {"mixed", 1},        // every other thread the original size, and what the kernel offers
    {"unregistered", 0}, // registered by the C library, and undone
    {"refused", 1},      // each thread asks for less than the original size, in vain
    {"busy", 1},         // 32 bytes, and each thread asks for the same area again, in vain
    {"slicing", 1},      // as offered, with slice extensions that they ask for all the time
    {"violating", 1},    // as offered; the main thread overwrites cpu_id_start once it is ready
};

static const struct kind* kind;

static void die(int status, const char* what) {
    fprintf(stderr, "zoo: %s: %s\n", what, strerror(errno));
    _exit(status);
}

static int offered_length(void) {
    int length = (int)getauxval(AT_RSEQ_FEATURE_SIZE);
    if (length <= original_length) {
        errno = ENOTSUP;
        die(exit_unavailable, "this kernel offers no more than the original size");
    }
    return length;
}

static int register_area(size_t index, int length) {
    unsigned char* area = areas[index];
    // cpu_id: not registered yet, see rseq(2).
    const int32_t uninitialized = -1;
    memcpy(area + 4, &uninitialized, sizeof(uninitialized));
    if (syscall(SYS_rseq, area, length, 0, signature) != 0) {
        die(errno == EINVAL || errno == ENOSYS ? exit_unavailable : 1, "cannot register");
    }
    return length;
}

static int ask_in_vain(size_t index) {
    if (syscall(SYS_rseq, areas[index], original_length / 2, 0, signature) == 0) {
        errno = 0;
        die(1, "registered half of an area");
    }
    return none;
}

static int register_twice(size_t index) {
    const int length = register_area(index, original_length);
    if (syscall(SYS_rseq, areas[index], length, 0, signature) == 0 || errno != EBUSY) {
        die(1, "registered an area twice");
    }
    return length;
}

static int undo_registration_of_libc(void) {
    if (&__rseq_offset == NULL) {
        errno = ENOTSUP;
        die(exit_unavailable, "this C library does not tell where its area is");
    }
    char* area = (char*)__builtin_thread_pointer() + __rseq_offset;
    int lengths[] = {original_length, (int)getauxval(AT_RSEQ_FEATURE_SIZE)};
    for (int i = 0; i < 2; ++i) {
        if (syscall(SYS_rseq, area, lengths[i], flag_unregister, signature) == 0) {
            return none;
        }
    }
    die(exit_unavailable, "cannot unregister");
    return none;
}

static void enable_slices(void) {
    if (prctl(prctl_slice, prctl_slice_set, prctl_slice_enable, 0, 0) != 0) {
        die(exit_unavailable, "no slice extensions");
    }
}

static int input_has_ended(void) {
    struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
    char byte;
    return poll(&input, 1, 0) == 1 && read(STDIN_FILENO, &byte, 1) <= 0;
}

// Threads that fight for one CPU, each within a section for which it wants no interruption. What it
// is granted ends in all ways in turn: given back, by another system call, and run out.
static void ask_for_slices(size_t index) {
    const unsigned spins = 1000000;
    volatile unsigned char* request = &areas[index][offset_slice_request];
    volatile unsigned char* granted = &areas[index][offset_slice_granted];
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(0, &set);
    sched_setaffinity(0, sizeof(set), &set);
    for (unsigned round = 0; index != 0 || !input_has_ended();) {
        *request = 1;
        for (unsigned i = 0; i < spins && *granted == 0; ++i) {
        }
        *request = 0;
        if (*granted == 0) {
            continue;
        }
        ++round;
        if (round % 3 == 0) {
            syscall(sys_slice_yield);
        } else if (round % 3 == 1) {
            getppid();
        }
        while (*granted != 0) {
        }
    }
}

static void settle(size_t index) {
    struct animal* self = &animals[index];
    char comm[16];

    // Names are hostile: some of them are.
    snprintf(comm, sizeof(comm), index % 3 == 2 ? "z\033[1m\n\t%zu" : "zoo-%zu", index);
    prctl(PR_SET_NAME, comm);
    self->tid = (pid_t)syscall(SYS_gettid);
    if (strcmp(kind->name, "original") == 0) {
        self->length = register_area(index, original_length);
    } else if (strcmp(kind->name, "long") == 0) {
        self->length = register_area(index, 64);
    } else if (strcmp(kind->name, "offered") == 0 || strcmp(kind->name, "violating") == 0) {
        self->length = register_area(index, offered_length());
    } else if (strcmp(kind->name, "slicing") == 0) {
        self->length = register_area(index, offered_length());
        enable_slices();
    } else if (strcmp(kind->name, "mixed") == 0) {
        self->length = register_area(index, index % 2 == 0 ? original_length : offered_length());
    } else if (strcmp(kind->name, "busy") == 0) {
        self->length = register_twice(index);
    } else if (strcmp(kind->name, "refused") == 0) {
        self->length = ask_in_vain(index);
    } else if (strcmp(kind->name, "unregistered") == 0) {
        self->length = undo_registration_of_libc();
    } else {
        self->length = strcmp(kind->name, "libc") == 0 ? by_libc : none;
    }
    pthread_barrier_wait(&settled);
}

static void* live(void* argument) {
    const size_t index = (size_t)(uintptr_t)argument;
    settle(index);
    if (strcmp(kind->name, "slicing") == 0) {
        ask_for_slices(index);
    }
    for (;;) {
        pause();
    }
    return NULL;
}

// The C library reads its tunables only at the start of a program.
static void leave_rseq_alone(char** argv) {
    const char* set = getenv("GLIBC_TUNABLES");
    if (set != NULL && strcmp(set, TUNABLE) == 0) {
        return;
    }
    setenv("GLIBC_TUNABLES", TUNABLE, 1);
    execv("/proc/self/exe", argv);
    die(1, "cannot execute itself again");
}

int main(int argc, char** argv) {
    const long threads = argc == 3 ? strtol(argv[2], NULL, 10) : 0;
    pid_t parent = getppid();

    for (size_t i = 0; argc == 3 && i < sizeof(kinds) / sizeof(kinds[0]); ++i) {
        if (strcmp(argv[1], kinds[i].name) == 0) {
            kind = &kinds[i];
        }
    }
    if (kind == NULL || threads < 1 || threads > most_threads) {
        fprintf(stderr,
                "usage: zoo libc|none|original|long|offered|mixed|unregistered|refused|busy|"
                "slicing|violating THREADS\n");
        return 2;
    }
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != parent) {
        return 1;
    }
    if (kind->alone) {
        leave_rseq_alone(argv);
    }
    pthread_barrier_init(&settled, NULL, (unsigned)threads);
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, 64 * 1024);
    for (long i = 1; i < threads; ++i) {
        errno = pthread_create(&animals[i].thread, &attributes, live, (void*)i);
        if (errno != 0) {
            die(1, "cannot create a thread");
        }
    }
    settle(0);
    for (long i = 0; i < threads; ++i) {
        if (animals[i].length == by_libc) {
            printf("thread %d libc\n", (int)animals[i].tid);
        } else {
            printf("thread %d %d\n", (int)animals[i].tid, animals[i].length);
        }
    }
    printf("ready\n");
    fflush(stdout);
    if (strcmp(kind->name, "violating") == 0) {
        // The mark of TCMalloc, which no CPU has for a number. The kernel looks when it next has
        // something to update: this thread changes its CPU until that happens.
        const uint32_t mark = 0x80000003;
        memcpy(areas[0], &mark, sizeof(mark));
        for (unsigned round = 0;; ++round) {
            cpu_set_t set;
            CPU_ZERO(&set);
            CPU_SET(round % 2, &set);
            sched_setaffinity(0, sizeof(set), &set);
        }
    }
    if (strcmp(kind->name, "slicing") == 0) {
        ask_for_slices(0);
    }
    char byte;
    while (read(STDIN_FILENO, &byte, 1) > 0) {
    }
    _exit(0);
}
