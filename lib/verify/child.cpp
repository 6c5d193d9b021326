// SPDX-License-Identifier: GPL-2.0-or-later
//
// Why a thread of its own in a process of its own. The process, because probes are killed,
// overwrite what libc relies on, and change affinity and signal handlers. The thread, because it
// has to start unregistered: fork(2) passes the caller's registration on, and who made it (some
// version of libc, an allocator), where and with which length cannot always be found out, so it
// cannot always be undone. clone(2) with CLONE_VM starts unregistered on every kernel, and libc,
// which does not know the thread, does not register it. A thread and not a process that shares the
// memory, so that one kill ends both and one wait sees how.
#include "verify/child.h"

#include "verify/subject.h"

#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdint>

namespace rseq::verify {
namespace {

constexpr std::size_t stack_size = 256UL * 1024;

struct Start {
    Stage* stage;
    volatile Area* area;
    void* shared;
    const std::function<void(Subject&, void*)>* body;
};

int be_subject(void* argument) {
    const Start& start = *static_cast<const Start*>(argument);
    ThreadSubject subject(*start.stage, *start.area);
    (*start.body)(subject, start.shared);
    dismiss(*start.stage);
    return 0;
}

/// Nothing that the caller arranged for its own signals may answer for a child that is killed.
void reset_signals() {
    struct sigaction action {};
    action.sa_handler = SIG_DFL;
    for (const int signal : {SIGSEGV, SIGBUS, SIGILL, SIGTRAP, SIGABRT, SIGFPE, SIGSYS}) {
        ::sigaction(signal, &action, nullptr);
    }
    sigset_t all;
    ::sigfillset(&all);
    ::sigprocmask(SIG_SETMASK, &all, nullptr);
}

void* map(std::size_t size) {
    void* memory =
        ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return memory == MAP_FAILED ? nullptr : memory;
}

} // namespace

void be_child(pid_t parent, void* shared, const std::function<void(Subject&, void*)>& body) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != parent) {
        ::_exit(child_failed);
    }
    // Being killed is expected: no core dump, neither as a file nor into a pipe, which ignores the
    // limit.
    const rlimit none{0, 0};
    ::setrlimit(RLIMIT_CORE, &none);
    ::prctl(PR_SET_DUMPABLE, 0);
    reset_signals();

    Stage stage;
    set_up(stage);
    auto* stack = static_cast<std::byte*>(map(stack_size));
    void* area = map(sizeof(Area));
    if (stack == nullptr || area == nullptr) {
        ::_exit(child_failed);
    }
    Start start{&stage, static_cast<volatile Area*>(area), shared, &body};
    constexpr int flags =
        CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM;
    if (::clone(be_subject, stack + stack_size, flags, &start) < 0) {
        ::_exit(child_failed);
    }
    serve(stage);
    ::_exit(0);
}

} // namespace rseq::verify
