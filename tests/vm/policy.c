// SPDX-License-Identifier: GPL-2.0-or-later
//
// What tests/vm/policy runs in the machine; linked with a libc that registers nothing itself
// (musl).
//   overwrite          registers a long area, overwrites cpu_id_start and moves between two CPUs.
//                      Killed as v2; as v1 it prints "alive" and its policy once the kernel has put
//                      the field back
//   survive            the same, and then it stays
//   slice              registers a long area, asks for slices, prints the errno, 0 for success
//   threads            makes threads that register as long as the kernel lets them, each of them
//                      longer than the original area, without end. Prints "started", and when its
//                      standard input ends what it saw of itself: "steady v2 THREADS", or "mixed"
//   libc-threads       the same with threads that the C library registers, until SIGTERM
//   race DIR COUNT     makes COUNT cgroups below DIR and, as fast as it can, executes a program in
//                      each, which stays. Prints "PID POLICY" of each by its own file, then
//                      "ready", and waits until its standard input ends
//   brief DIR COUNT    the same with programs that are moved there and end at once; they print
//                      "PID POLICY" themselves
//   journal            takes the place of journald and prints each entry in a line: its fields,
//   TABs
//                      between them
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    long_length = 64,
    signature = 0x53053053,
    mark = (int)0x80000003, // of TCMalloc: no CPU has that number
    slice_extension = 79,
    slice_set = 2,
    slice_enable = 1,
    into_cgroup_size = 88, // struct clone_args with cgroup
};
static const unsigned long long clone_into_cgroup = 0x200000000ULL;

static _Alignas(64) __thread unsigned char area[long_length];

static void die(const char* what) {
    fprintf(stderr, "policy: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void register_long(void) {
    const int32_t uninitialized = -1;
    memcpy(area + 4, &uninitialized, sizeof uninitialized);
    if (syscall(SYS_rseq, area, long_length, 0, signature) != 0) {
        die("rseq");
    }
}

// The value of one key of /proc/PID/rseq; "gone" without one.
static void key_of(const char* pid, const char* key, char* value, size_t size) {
    char path[64];
    char line[128];
    snprintf(path, sizeof path, "/proc/%s/rseq", pid);
    snprintf(value, size, "gone");
    FILE* file = fopen(path, "re");
    if (file == NULL) {
        return;
    }
    const size_t length = strlen(key);
    while (fgets(line, sizeof line, file) != NULL) {
        if (strncmp(line, key, length) == 0 && line[length] == ':') {
            line[strcspn(line, "\n")] = 0;
            snprintf(value, size, "%s", line + length + 2);
        }
    }
    fclose(file);
}

static int number_of(const char* key) {
    char value[64];
    key_of("self", key, value, sizeof value);
    return atoi(value);
}

static int overwrite(void) {
    char policy[64];
    register_long();
    const uint32_t value = (uint32_t)mark;
    memcpy(area, &value, sizeof value);
    for (unsigned round = 0; round < 1000; ++round) {
        cpu_set_t set;
        CPU_ZERO(&set);
        CPU_SET(round % 2, &set);
        sched_setaffinity(0, sizeof set, &set);
        sched_yield();
    }
    uint32_t now;
    memcpy(&now, area, sizeof now);
    if (now == value) {
        printf("not put back\n");
        return 1;
    }
    key_of("self", "Policy", policy, sizeof policy);
    printf("alive V1 %d V2 %d %s\n", number_of("V1"), number_of("V2"), policy);
    fflush(stdout);
    return 0;
}

static _Noreturn void stay(void) {
    for (;;) {
        pause();
    }
}

static int survive(void) {
    if (overwrite() != 0) {
        return 1;
    }
    stay();
}

static int slice(void) {
    register_long();
    const long result = prctl(slice_extension, slice_set, slice_enable, 0, 0);
    printf("%d\n", result == 0 ? 0 : errno);
    return 0;
}

static volatile sig_atomic_t told_to_end;
static int by_libc;

static void end(int unused) {
    (void)unused;
    told_to_end = 1;
}

static int input_is_open(void) {
    struct pollfd input = {STDIN_FILENO, POLLIN, 0};
    return by_libc || poll(&input, 1, 0) == 0;
}

static void* short_life(void* unused) {
    if (!by_libc) {
        register_long();
    }
    usleep(1000);
    return unused;
}

static int threads(void) {
    unsigned made = 0;
    int mixed = 0;
    if (!by_libc) {
        register_long();
    }
    signal(SIGTERM, end);
    const int is_v2 = number_of("V2") > 0;
    printf("started\n");
    fflush(stdout);
    while (!told_to_end && input_is_open()) {
        pthread_t some[4];
        for (int i = 0; i < 4; ++i) {
            errno = pthread_create(&some[i], NULL, short_life, NULL);
            if (errno != 0) {
                die("pthread_create");
            }
        }
        mixed |= number_of("V1") > 0 && number_of("V2") > 0;
        mixed |= (number_of("V2") > 0) != is_v2;
        for (int i = 0; i < 4; ++i) {
            pthread_join(some[i], NULL);
        }
        made += 4;
    }
    printf("%s %s %u\n", mixed ? "mixed" : "steady", is_v2 ? "v2" : "v1", made);
    return 0;
}

// A child in the cgroup from its birth on.
static pid_t clone_into(int cgroup) {
    unsigned long long arguments[into_cgroup_size / 8] = {0};
    arguments[0] = clone_into_cgroup;
    arguments[4] = SIGCHLD;
    arguments[10] = (unsigned long long)cgroup;
    return (pid_t)syscall(SYS_clone3, arguments, sizeof arguments);
}

static int make_cgroup(const char* dir, int number, char* path, size_t size) {
    snprintf(path, size, "%s/%d", dir, number);
    if (mkdir(path, 0755) != 0) {
        die(path);
    }
    const int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        die(path);
    }
    return fd;
}

static int race(const char* dir, int count) {
    pid_t* pids = calloc((size_t)count, sizeof *pids);
    char path[256];
    char policy[64];
    char pid[16];
    for (int i = 0; i < count; ++i) {
        // Now and then a little later: some win and some lose.
        const int cgroup = make_cgroup(dir, i, path, sizeof path);
        if (i % 4 != 0) {
            usleep((useconds_t)(i % 4) * 2000);
        }
        pids[i] = clone_into(cgroup);
        if (pids[i] == 0) {
            execl("/proc/self/exe", "policy", "stay", (char*)NULL);
            _exit(1);
        }
        if (pids[i] < 0) {
            die("clone3");
        }
        close(cgroup);
    }
    sleep(2);
    for (int i = 0; i < count; ++i) {
        snprintf(pid, sizeof pid, "%d", (int)pids[i]);
        key_of(pid, "Policy", policy, sizeof policy);
        printf("%s %s\n", pid, policy);
    }
    printf("ready\n");
    fflush(stdout);
    char byte;
    while (read(STDIN_FILENO, &byte, 1) > 0) {
    }
    for (int i = 0; i < count; ++i) {
        kill(pids[i], SIGKILL);
    }
    return 0;
}

static int brief(const char* dir, int count) {
    char path[256];
    for (int i = 0; i < count; ++i) {
        close(make_cgroup(dir, i, path, sizeof path));
        strcat(path, "/cgroup.procs");
        const pid_t child = fork();
        if (child == 0) {
            const int procs = open(path, O_WRONLY | O_CLOEXEC);
            if (i % 4 != 0) {
                usleep((useconds_t)(i % 4) * 2000);
            }
            if (write(procs, "0", 1) == 1) {
                execl("/proc/self/exe", "policy", "tell", (char*)NULL);
            }
            _exit(1);
        }
        int status;
        if (waitpid(child, &status, 0) != child || status != 0) {
            die("child");
        }
    }
    return 0;
}

static int tell(void) {
    char policy[64];
    key_of("self", "Policy", policy, sizeof policy);
    printf("%d %s\n", (int)getpid(), policy);
    return 0;
}

static _Noreturn void journal(void) {
    static char entry[65536];
    struct sockaddr_un address = {AF_UNIX, "/run/systemd/journal/socket"};
    const int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    mkdir("/run/systemd", 0755);
    mkdir("/run/systemd/journal", 0755);
    if (bind(fd, (struct sockaddr*)&address, sizeof address) != 0) {
        die("bind");
    }
    printf("listening\n");
    fflush(stdout);
    for (;;) {
        const ssize_t size = recv(fd, entry, sizeof entry - 1, 0);
        if (size < 0) {
            die("recv");
        }
        for (ssize_t i = 0; i < size; ++i) {
            // A value of several lines has its length before it.
            entry[i] = entry[i] == '\n' ? '\t' : entry[i] < ' ' || entry[i] > '~' ? '?' : entry[i];
        }
        entry[size] = 0;
        printf("%s\n", entry);
        fflush(stdout);
    }
}

int main(int argc, char** argv) {
    const char* const what = argc > 1 ? argv[1] : "";
    if (strcmp(what, "stay") == 0) {
        stay();
    }
    by_libc = strcmp(what, "libc-threads") == 0;
    if (by_libc) {
        return threads();
    }
    if (strcmp(what, "journal") == 0) {
        journal();
    }
    if (argc == 2) {
        return strcmp(what, "overwrite") == 0 ? overwrite()
               : strcmp(what, "survive") == 0 ? survive()
               : strcmp(what, "slice") == 0   ? slice()
               : strcmp(what, "threads") == 0 ? threads()
               : strcmp(what, "tell") == 0    ? tell()
                                              : 2;
    }
    if (argc == 4) {
        return strcmp(what, "race") == 0    ? race(argv[2], atoi(argv[3]))
               : strcmp(what, "brief") == 0 ? brief(argv[2], atoi(argv[3]))
                                            : 2;
    }
    fprintf(stderr, "usage: see the source\n");
    return 2;
}
