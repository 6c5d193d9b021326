// SPDX-License-Identifier: GPL-2.0-or-later
// The skeletons are "light" ones: the kernel itself relocates the program against its own type
// information. An ordinary skeleton would have libbpf read and index several megabytes of it in
// every process that loads the program, which takes five times as long.

#include "bpf/loader.h"

#include <errno.h>
#include <linux/bpf.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

// clang-format off
// After errno.h: not all versions of libbpf's header behind these include what they use.
#include "bpf/nested_threads.lskel.h"
#include "bpf/threads.lskel.h"
// clang-format on

int rseq_attach_threads(void) {
    struct threads_bpf* skeleton = threads_bpf__open();
    if (skeleton == NULL) {
        return -ENOMEM;
    }
    int link = threads_bpf__load(skeleton);
    if (link == 0) {
        link = threads_bpf__threads__attach(skeleton);
        link = link < 0 ? -errno : link;
    }
    // The descriptor is the caller's now; the link keeps the program, which needs nothing else.
    skeleton->links.threads_fd = 0;
    threads_bpf__destroy(skeleton);
    return link;
}

int rseq_attach_nested_threads(void) {
    struct nested_threads_bpf* skeleton = nested_threads_bpf__open();
    if (skeleton == NULL) {
        return -ENOMEM;
    }
    int link = nested_threads_bpf__load(skeleton);
    if (link == 0) {
        link = nested_threads_bpf__nested_threads__attach(skeleton);
        link = link < 0 ? -errno : link;
    }
    skeleton->links.nested_threads_fd = 0;
    nested_threads_bpf__destroy(skeleton);
    return link;
}

int rseq_begin_pass(int link_fd) {
    // The kernel refuses bytes that it does not know and that are not zero, padding included.
    union bpf_attr attributes;
    memset(&attributes, 0, sizeof(attributes));
    attributes.iter_create.link_fd = (__u32)link_fd;
    return (int)syscall(SYS_bpf, BPF_ITER_CREATE, &attributes, sizeof(attributes));
}
