// SPDX-License-Identifier: GPL-2.0-or-later
#include "bpf/task_iterator.h"

#include "bpf/records.h"
#include "bpf/threads.skel.h"
#include "core/unique_fd.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdarg>
#include <cstdint>
#include <cstdio>
#include <string>
#include <utility>

namespace rseq {
namespace {

/// Inode number of the initial pid namespace: a constant of the kernel (PROC_PID_INIT_INO).
constexpr ino_t initial_pid_namespace = 0xEFFFFFFC;

/// One read(2) never returns more than the kernel's own buffer for iterators, eight pages.
constexpr std::size_t read_size = 64 * 1024;

/// What libbpf had to say last. libbpf knows no context for its messages but the process.
thread_local std::string last_message;

int keep_message(libbpf_print_level level, const char* format, va_list arguments) {
    if (level == LIBBPF_WARN) {
        char text[256];
        const int length = vsnprintf(text, sizeof(text), format, arguments);
        last_message = length < 0 ? "" : text;
        while (!last_message.empty() && last_message.back() == '\n') {
            last_message.pop_back();
        }
    }
    return 0;
}

/// Keeps libbpf from printing while it lives.
class MessageTrap {
public:
    MessageTrap() : previous_(libbpf_set_print(keep_message)) { last_message.clear(); }
    MessageTrap(const MessageTrap&) = delete;
    MessageTrap& operator=(const MessageTrap&) = delete;
    ~MessageTrap() { libbpf_set_print(previous_); }

private:
    libbpf_print_fn_t previous_;
};

bool in_initial_pid_namespace() {
    struct stat info {};
    return stat("/proc/self/ns/pid", &info) == 0 && info.st_ino == initial_pid_namespace;
}

/// What an administrator can do about a failure to load, from the errno that it came with.
tl::unexpected<Error> load_failure(int code) {
    if (code == EPERM || code == EACCES) {
        return fail(EPERM, "cannot load the BPF task iterator (it needs root, or CAP_BPF and "
                           "CAP_PERFMON)");
    }
    if (access("/sys/kernel/btf/vmlinux", R_OK) != 0) {
        return fail(ENOTSUP, "cannot load the BPF task iterator: this kernel shows no type "
                             "information (/sys/kernel/btf/vmlinux, CONFIG_DEBUG_INFO_BTF)");
    }
    std::string context = "cannot load the BPF task iterator";
    if (!last_message.empty()) {
        context += " (" + last_message + ")";
    }
    // ENOMEM, EMFILE and their like may pass; anything else is this kernel's way.
    const bool passing = code == ENOMEM || code == EMFILE || code == ENFILE || code == EAGAIN;
    return fail(passing ? code : ENOTSUP, std::move(context));
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

struct TaskIterator::Loaded {
    threads_bpf* skeleton = nullptr;
    bpf_link* link = nullptr;

    Loaded() = default;
    Loaded(const Loaded&) = delete;
    Loaded& operator=(const Loaded&) = delete;
    ~Loaded() {
        bpf_link__destroy(link);
        threads_bpf__destroy(skeleton);
    }
};

TaskIterator::TaskIterator(std::unique_ptr<Loaded> loaded) : loaded_(std::move(loaded)) {}
TaskIterator::TaskIterator(TaskIterator&&) noexcept = default;
TaskIterator& TaskIterator::operator=(TaskIterator&&) noexcept = default;
TaskIterator::~TaskIterator() = default;

Result<TaskIterator> TaskIterator::load() {
    const MessageTrap trap;
    auto loaded = std::make_unique<Loaded>();
    loaded->skeleton = threads_bpf__open();
    if (loaded->skeleton == nullptr) {
        return load_failure(errno);
    }
    const bool initial = in_initial_pid_namespace();
    const auto& programs = loaded->skeleton->progs;
    bpf_program* program = initial ? programs.all_threads : programs.threads_of_namespace;
    bpf_program* other = initial ? programs.threads_of_namespace : programs.all_threads;
    bpf_program__set_autoload(other, false);
    if (const int error = threads_bpf__load(loaded->skeleton); error != 0) {
        return load_failure(-error);
    }
    loaded->link = bpf_program__attach_iter(program, nullptr);
    if (loaded->link == nullptr) {
        return load_failure(errno);
    }
    return TaskIterator(std::move(loaded));
}

Result<std::vector<ThreadObservation>> TaskIterator::snapshot() {
    const UniqueFd pass(bpf_iter_create(bpf_link__fd(loaded_->link)));
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

} // namespace rseq
