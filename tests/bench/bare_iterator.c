// SPDX-License-Identifier: GPL-2.0-or-later
// bare_iterator [PASSES]: the peer of TaskIterator: loads, reads PASSES times (default 20) into a
// fixed buffer, understands nothing, and prints what loading and the fastest pass took.

#include <errno.h>
#include <linux/bpf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

// clang-format off
#include "bpf/bare_iterator.lskel.h"
// clang-format on

static double milliseconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

int main(int argc, char** argv) {
    static char buffer[64 * 1024];
    const int passes = argc > 1 ? atoi(argv[1]) : 20;
    double best = 1e9;
    long bytes = 0;

    const double begin = milliseconds();
    struct bare_iterator_bpf* skeleton = bare_iterator_bpf__open_and_load();
    const int link = skeleton == NULL ? -1 : bare_iterator_bpf__bare__attach(skeleton);
    if (link < 0) {
        perror("bare_iterator");
        return errno == EPERM ? 77 : 1;
    }
    const double loaded = milliseconds();
    for (int i = 0; i < passes; ++i) {
        const double start = milliseconds();
        union bpf_attr attributes;
        memset(&attributes, 0, sizeof(attributes));
        attributes.iter_create.link_fd = (__u32)link;
        const int pass = (int)syscall(SYS_bpf, BPF_ITER_CREATE, &attributes, sizeof(attributes));
        long count;
        bytes = 0;
        while ((count = read(pass, buffer, sizeof(buffer))) > 0) {
            bytes += count;
        }
        close(pass);
        const double took = milliseconds() - start;
        best = took < best ? took : best;
    }
    printf("threads %ld load_ms %.3f pass_ms %.3f\n", bytes / 32, loaded - begin, best);
    return 0;
}
