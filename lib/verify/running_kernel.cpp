// SPDX-License-Identifier: GPL-2.0-or-later
#include "core/file.h"
#include "core/parse.h"
#include "core/unique_fd.h"
#include "verify/child.h"
#include "verify/kernel.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <string_view>

namespace rseq::verify {
namespace {

// Values of the kernel ABI that older headers lack.
constexpr unsigned long at_rseq_feature_size = 27;
constexpr unsigned long at_rseq_align = 28;

constexpr std::size_t command_line_limit = 64UL * 1024;

/// Memory that a child and its parent both see.
class SharedMemory {
public:
    explicit SharedMemory(std::size_t size) : size_(size) {
        void* memory =
            ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        data_ = memory == MAP_FAILED ? nullptr : memory;
    }
    ~SharedMemory() {
        if (data_ != nullptr) {
            ::munmap(data_, size_);
        }
    }
    SharedMemory(const SharedMemory&) = delete;
    SharedMemory& operator=(const SharedMemory&) = delete;

    [[nodiscard]] void* data() const { return data_; }

private:
    std::size_t size_;
    void* data_ = nullptr;
};

/// While it lives, ended children wait to be asked how: a program that inherited an ignored SIGCHLD
/// would otherwise never learn it.
class ChildrenAreKept {
public:
    ChildrenAreKept() {
        struct sigaction action {};
        action.sa_handler = SIG_DFL;
        ::sigaction(SIGCHLD, &action, &before_);
    }
    ~ChildrenAreKept() { ::sigaction(SIGCHLD, &before_, nullptr); }
    ChildrenAreKept(const ChildrenAreKept&) = delete;
    ChildrenAreKept& operator=(const ChildrenAreKept&) = delete;

private:
    struct sigaction before_ {};
};

/// Waits for the end of `pid`, and brings it about if that takes too long.
Ending wait_for(pid_t pid, std::chrono::milliseconds patience) {
    const UniqueFd pidfd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
    Ending ending;
    if (!pidfd) {
        ending = {Ending::Kind::not_started, errno};
    } else {
        pollfd wait{pidfd.get(), POLLIN, 0};
        int ready = 0;
        do {
            ready = ::poll(&wait, 1, static_cast<int>(patience.count()));
        } while (ready < 0 && errno == EINTR);
        if (ready == 0) {
            ending.kind = Ending::Kind::timed_out;
        }
    }
    if (!ending.finished()) {
        ::kill(pid, SIGKILL);
    }
    int status = 0;
    while (::waitpid(pid, &status, 0) < 0) {
        if (errno != EINTR) {
            return {Ending::Kind::not_started, errno};
        }
    }
    if (!ending.finished()) {
        return ending;
    }
    if (WIFSIGNALED(status)) {
        return {Ending::Kind::killed, WTERMSIG(status)};
    }
    if (WEXITSTATUS(status) != 0) {
        return {Ending::Kind::not_started, EAGAIN};
    }
    return ending;
}

/// Whether the kernel's kstrtobool() takes `word` for no. Once off at boot it stays off.
bool means_no(std::string_view word) {
    constexpr std::string_view no = "nNfF0";
    const char first = word.empty() ? '\0' : word.front();
    if (first == 'o' || first == 'O') {
        return word.size() > 1 && (word[1] == 'f' || word[1] == 'F');
    }
    return no.find(first) != std::string_view::npos;
}

class RunningKernel final : public Kernel {
public:
    explicit RunningKernel(std::chrono::milliseconds patience) : patience_(patience) {}

    std::string release() override {
        utsname names{};
        return ::uname(&names) == 0 ? std::string(&names.release[0]) : std::string();
    }

    std::uint32_t feature_size() override {
        return static_cast<std::uint32_t>(::getauxval(at_rseq_feature_size));
    }

    std::uint32_t alignment() override {
        return static_cast<std::uint32_t>(::getauxval(at_rseq_align));
    }

    bool has_proc_file() override { return ::access("/proc/self/rseq", F_OK) == 0; }

    bool filtered() override {
        const auto status = read_file(AT_FDCWD, "/proc/self/status", status_file_limit);
        return status && value_of_key(*status, "Seccomp") == "2";
    }

    bool slices_off_at_boot() override {
        const auto command_line = read_file(AT_FDCWD, "/proc/cmdline", command_line_limit);
        if (!command_line) {
            return false;
        }
        std::string_view rest = trim(*command_line);
        bool off = false;
        while (!rest.empty()) {
            std::string_view word = trim(take_until(rest, ' '));
            if (take_until(word, '=') == "rseq_slice_ext") {
                off = off || means_no(word);
            }
        }
        return off;
    }

    Ending run(void* shared, std::size_t size,
               const std::function<void(Subject&, void* shared)>& body) override {
        const SharedMemory memory(size);
        if (memory.data() == nullptr) {
            return {Ending::Kind::not_started, ENOMEM};
        }
        std::memcpy(memory.data(), shared, size);
        const ChildrenAreKept kept;
        const pid_t parent = ::getpid();
        const pid_t pid = ::fork();
        if (pid < 0) {
            return {Ending::Kind::not_started, errno};
        }
        if (pid == 0) {
            be_child(parent, memory.data(), body);
        }
        const Ending ending = wait_for(pid, patience_);
        std::memcpy(shared, memory.data(), size);
        return ending;
    }

private:
    std::chrono::milliseconds patience_;
};

} // namespace

std::unique_ptr<Kernel> running_kernel(std::chrono::milliseconds patience) {
    return std::make_unique<RunningKernel>(patience);
}

} // namespace rseq::verify
