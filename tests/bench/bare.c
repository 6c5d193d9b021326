// SPDX-License-Identifier: GPL-2.0-or-later
#define _GNU_SOURCE
#include "bench/bare.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

// clang-format off
// After errno.h: not all versions of libbpf's header behind it include what they use.
#include "bpf/bare_iterator.lskel.h"
// clang-format on

int bare_attach(void) {
    struct bare_iterator_bpf* skeleton = bare_iterator_bpf__open();
    if (skeleton == NULL) {
        return -ENOMEM;
    }
    int link = bare_iterator_bpf__load(skeleton);
    if (link == 0) {
        link = bare_iterator_bpf__bare__attach(skeleton);
        link = link < 0 ? -errno : link;
    }
    skeleton->links.bare_fd = 0;
    bare_iterator_bpf__destroy(skeleton);
    return link;
}

long bare_pass(int link_fd, void* buffer, size_t size) {
    union bpf_attr attributes;
    memset(&attributes, 0, sizeof(attributes));
    attributes.iter_create.link_fd = (__u32)link_fd;
    const int fd = (int)syscall(SYS_bpf, BPF_ITER_CREATE, &attributes, sizeof(attributes));
    if (fd < 0) {
        return -1;
    }
    long total = 0;
    ssize_t count = 0;
    while ((count = read(fd, buffer, size)) > 0) {
        total += count;
    }
    close(fd);
    return count < 0 ? -1 : total;
}

static long read_one(int root_fd, const char* pid, const char* name) {
    char path[300];
    char buffer[4096];
    snprintf(path, sizeof(path), "%s/%s", pid, name);
    const int fd = openat(root_fd, path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return 0;
    }
    long total = 0;
    ssize_t count = 0;
    while ((count = read(fd, buffer, sizeof(buffer))) > 0) {
        total += count;
    }
    close(fd);
    return total;
}

long bare_proc(int root_fd) {
    long total = 0;
    const int fd = openat(root_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR* dir = fd < 0 ? NULL : fdopendir(fd);
    if (dir == NULL) {
        return -1;
    }
    for (const struct dirent* entry = readdir(dir); entry != NULL; entry = readdir(dir)) {
        if (isdigit((unsigned char)entry->d_name[0])) {
            total += read_one(root_fd, entry->d_name, "stat");
            total += read_one(root_fd, entry->d_name, "cgroup");
            total += read_one(root_fd, entry->d_name, "rseq");
        }
    }
    closedir(dir);
    return total;
}
