// SPDX-License-Identifier: GPL-2.0-or-later
#include "bpf/task_iterator.h"

#include "bpf/loader.h"
#include "bpf/records.h"
#include "bpf/snapshot.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <span>

namespace rseq::bpf {
namespace {

/// Inode number of the initial pid namespace: a constant of the kernel (PROC_PID_INIT_INO).
constexpr ino_t initial_pid_namespace = 0xEFFFFFFC;

/// One read(2) never returns more than the kernel's own buffer for iterators, eight pages.
constexpr std::size_t read_size = 64UL * 1024;

/// What the kernel's own headers call ENOTSUPP: not for user space, but bpf(2) returns it.
constexpr int kernel_enotsupp = 524;

bool in_initial_pid_namespace() {
    struct stat info {};
    return stat("/proc/self/ns/pid", &info) == 0 && info.st_ino == initial_pid_namespace;
}

/// What an administrator can make of the errno that loading failed with.
tl::unexpected<Error> load_failure(int code) {
    switch (code) {
    case EPERM:
    case EACCES:
        return fail(EPERM, "cannot load the BPF task iterator, which takes root or CAP_BPF and "
                           "CAP_PERFMON");
    case ENOMEM:
    case EMFILE:
    case ENFILE:
    case EAGAIN:
    case EINTR:
        return fail(code, "cannot load the BPF task iterator");
    default:
        break;
    }
    if (access("/sys/kernel/btf/vmlinux", F_OK) != 0) {
        return fail(ENOTSUP, "cannot load the BPF task iterator without the kernel's type "
                             "information, /sys/kernel/btf/vmlinux (CONFIG_DEBUG_INFO_BTF)");
    }
    return fail(code == kernel_enotsupp ? ENOTSUP : code,
                "this kernel does not accept the BPF task iterator");
}

/// Appends all that `fd` has to give to `buffer`, of which `used` bytes count.
Result<std::size_t> read_all(int fd, std::vector<std::byte>& buffer) {
    std::size_t used = 0;
    for (;;) {
        if (buffer.size() - used < read_size) {
            buffer.resize(std::max(buffer.size() * 2, 4 * read_size));
        }
        const ssize_t count = read(fd, buffer.data() + used, buffer.size() - used);
        if (count == 0) {
            return used;
        }
        if (count > 0) {
            used += static_cast<std::size_t>(count);
            continue;
        }
        // EAGAIN: a million tasks in a row wrote nothing, and the kernel wants to breathe.
        if (errno != EINTR && errno != EAGAIN) {
            return fail_errno("cannot read the BPF task iterator");
        }
    }
}

} // namespace

Result<TaskIterator> TaskIterator::load() {
    const int link =
        in_initial_pid_namespace() ? rseq_attach_threads() : rseq_attach_nested_threads();
    if (link < 0) {
        return load_failure(-link);
    }
    return TaskIterator(UniqueFd(link));
}

Result<std::vector<ThreadObservation>> TaskIterator::snapshot() {
    const UniqueFd pass(rseq_begin_pass(link_.get()));
    if (!pass) {
        return fail_errno("cannot start the BPF task iterator");
    }
    const long ticks = sysconf(_SC_CLK_TCK);
    if (ticks <= 0) {
        return fail_errno("cannot find out the length of a clock tick");
    }
    return read_all(pass.get(), buffer_).and_then([&](std::size_t used) {
        return decode_records(std::span(buffer_).first(used), static_cast<std::uint64_t>(ticks));
    });
}

Result<std::vector<ThreadObservation>> snapshot() {
    return TaskIterator::load().and_then([](TaskIterator iterator) { return iterator.snapshot(); });
}

} // namespace rseq::bpf
