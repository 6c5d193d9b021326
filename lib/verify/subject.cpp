// SPDX-License-Identifier: GPL-2.0-or-later
//
// The subject has no thread control block of its own, it runs with the one of the helper: a libc
// that registers rseq for its threads would do so for a thread that it made. What follows from
// that: neither thread allocates memory while the other may, and a failing system call of one must
// not come between the other's call and its look at errno. The helper therefore makes system calls
// that can fail only while the subject waits for it or spins in user space.
#include "verify/subject.h"

#include "core/parse.h"

#include <fcntl.h>
#include <linux/futex.h>
#include <linux/membarrier.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <string_view>

namespace rseq::verify {
namespace {

// Values of the kernel ABI that older headers lack.
constexpr int membarrier_rseq = 1 << 7;
constexpr int membarrier_register_rseq = 1 << 8;
constexpr int pr_rseq_slice_extension = 79;
constexpr int rseq_flag_unregister = 1;

constexpr long longest_nap_ns = 10'000'000;

template <class Word>
void wait_while(std::atomic<Word>& word, Word value) {
    static_assert(sizeof(word) == sizeof(std::uint32_t));
    while (word.load() == value) {
        ::syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, static_cast<std::uint32_t>(value), nullptr);
    }
}

template <class Word>
void set_and_wake(std::atomic<Word>& word, Word value) {
    word.store(value);
    ::syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, 1);
}

timespec now() {
    timespec time{};
    ::clock_gettime(CLOCK_MONOTONIC, &time);
    return time;
}

bool passed(const timespec& deadline) {
    const timespec time = now();
    return time.tv_sec > deadline.tv_sec ||
           (time.tv_sec == deadline.tv_sec && time.tv_nsec >= deadline.tv_nsec);
}

struct Switches {
    long voluntary;
    long involuntary;
    friend bool operator==(const Switches&, const Switches&) = default;
};

Switches count_switches() {
    rusage usage{};
    ::getrusage(RUSAGE_THREAD, &usage);
    return {usage.ru_nvcsw, usage.ru_nivcsw};
}

/// The kernel's own answer: sched_getcpu(3) reads the rseq area of the thread that libc takes this
/// one for. -1 and errno if there is none.
int current_cpu() {
    unsigned cpu = 0;
    return ::syscall(SYS_getcpu, &cpu, nullptr, nullptr) == 0 ? static_cast<int>(cpu) : -1;
}

int stay_on(int cpu) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(static_cast<std::size_t>(cpu), &set);
    return ::sched_setaffinity(0, sizeof(set), &set) == 0 ? 0 : errno;
}

/// A CPU of `allowed` other than `cpu`, or `cpu` if there is none.
int another_cpu(const cpu_set_t& allowed, int cpu) {
    for (int other = 0; other < CPU_SETSIZE; ++other) {
        if (other != cpu && CPU_ISSET(static_cast<std::size_t>(other), &allowed)) {
            return other;
        }
    }
    return cpu;
}

std::array<std::uint32_t, all_id_fields.size()> read_ids(volatile Area& area) {
    return {area.cpu_id_start, area.cpu_id, area.node_id, area.mm_cid};
}

// What the signal handlers of this process see and leave. A handler gets no argument of ours.
struct HandlerState {
    volatile Area* area;
    SectionWords* words;
    std::array<volatile std::uint32_t, all_id_fields.size()> ids;
    volatile std::sig_atomic_t ran;
    volatile std::sig_atomic_t hit;
};
HandlerState handler_state{};

void note_ids(int /*signal*/) {
    for (const IdField field : all_id_fields) {
        handler_state.ids[static_cast<std::size_t>(field)] = field_of(*handler_state.area, field);
    }
    handler_state.ran = 1;
}

void end_section(int /*signal*/) {
    handler_state.hit = handler_state.words->inside != 0 ? 1 : 0;
    handler_state.words->release = 1;
}

void handle(int signal, void (*handler)(int)) {
    struct sigaction action {};
    action.sa_handler = handler;
    ::sigaction(signal, &action, nullptr);
    sigset_t set;
    ::sigemptyset(&set);
    ::sigaddset(&set, signal);
    ::sigprocmask(SIG_UNBLOCK, &set, nullptr);
}

int set_alarm(long microseconds) {
    itimerval timer{};
    timer.it_value.tv_usec = microseconds;
    return ::setitimer(ITIMER_REAL, &timer, nullptr) == 0 ? 0 : errno;
}

} // namespace

void set_up(Stage& stage) {
    const long registered = ::syscall(SYS_membarrier, membarrier_register_rseq, 0, 0);
    stage.membarrier_error = registered == 0 ? 0 : errno;

    if (::sched_getaffinity(0, sizeof(stage.allowed), &stage.allowed) != 0) {
        CPU_ZERO(&stage.allowed);
    }
    if (CPU_COUNT(&stage.allowed) < 2) {
        // Somebody's taskset is a wish of theirs, not a limit; a cpuset stays one.
        cpu_set_t all;
        std::memset(&all, 0xff, sizeof(all));
        ::sched_setaffinity(0, sizeof(all), &all);
        ::sched_getaffinity(0, sizeof(stage.allowed), &stage.allowed);
    }
    // Real-time threads of one priority do not preempt each other.
    const sched_param ordinary{};
    ::sched_setscheduler(0, SCHED_OTHER, &ordinary);

    stage.deadline = now();
    stage.deadline.tv_sec += 3; // used up on very busy machines alone
}

void serve(Stage& stage) {
    for (;;) {
        wait_while(stage.duty, Duty::none);
        const Duty duty = stage.duty.load();
        if (duty == Duty::quit) {
            return;
        }
        const int cpu = stage.subject_cpu.load();
        const int own_cpu = duty == Duty::compete ? cpu : another_cpu(stage.allowed, cpu);
        const int error = stay_on(own_cpu);
        stage.error.store(error);
        set_and_wake(stage.ready, 1U);
        // On another CPU it would be a mistake to yield: on a busy machine the subject would then
        // have used up its time before the helper runs again. Seen from the subject's own CPU
        // `inside` proves that the subject is switched out in the middle of it; seen from another
        // CPU, that it has not left yet.
        bool inside = false;
        while (error == 0 && !inside && stage.abandoned.load() == 0 && !passed(stage.deadline)) {
            inside = stage.words.inside != 0;
            if (!inside && own_cpu == cpu) {
                ::sched_yield();
            }
        }
        if (inside && duty == Duty::membarrier) {
            const long done = ::syscall(SYS_membarrier, membarrier_rseq, 0, 0);
            stage.error.store(done == 0 ? 0 : errno);
            inside = done == 0;
        }
        stage.hit.store(inside ? 1 : 0);
        std::atomic_thread_fence(std::memory_order_seq_cst);
        stage.words.release = 1;
        set_and_wake(stage.duty, Duty::none);
    }
}

void dismiss(Stage& stage) {
    set_and_wake(stage.duty, Duty::quit);
}

ThreadSubject::ThreadSubject(Stage& stage, volatile Area& area) : stage_(stage), area_(area) {
    handler_state.area = &area_;
    handler_state.words = &stage_.words;
}

int ThreadSubject::register_area(std::uint32_t length) {
    return ::syscall(SYS_rseq, &area_, length, 0, section_signature()) == 0 ? 0 : errno;
}

int ThreadSubject::unregister_area(std::uint32_t length) {
    const long done =
        ::syscall(SYS_rseq, &area_, length, rseq_flag_unregister, section_signature());
    return done == 0 ? 0 : errno;
}

int ThreadSubject::pin() {
    const int cpu = current_cpu();
    if (cpu < 0) {
        return errno;
    }
    stage_.subject_cpu.store(cpu);
    return stay_on(cpu);
}

int ThreadSubject::migrate() {
    const int cpu = current_cpu();
    const int other = another_cpu(stage_.allowed, cpu);
    if (other == cpu) {
        return ENODEV;
    }
    stage_.subject_cpu.store(other);
    return stay_on(other);
}

unsigned ThreadSubject::cpus() {
    return static_cast<unsigned>(CPU_COUNT(&stage_.allowed));
}

void ThreadSubject::overwrite(const FieldSet& fields) {
    for (const IdField field : all_id_fields) {
        if (fields[static_cast<std::size_t>(field)]) {
            field_of(area_, field) = overwritten;
        }
    }
}

/// Returns when the helper is ready, with the errno that keeps it from helping.
int ThreadSubject::arrange(Duty duty) {
    stage_.words.inside = 0;
    stage_.words.release = 0;
    stage_.hit.store(0);
    if (duty == Duty::membarrier && stage_.membarrier_error != 0) {
        return stage_.membarrier_error;
    }
    stage_.abandoned.store(0);
    stage_.error.store(0);
    stage_.ready.store(0);
    set_and_wake(stage_.duty, duty);
    // On an idle machine a helper that is ready acts at once. On a busy one it has used up its time
    // when the subject gets its CPU back, so every other time the subject does not go away: a
    // helper that has slept comes soon. It has moved to the right CPU in an attempt before.
    if (duty == Duty::compete || arranged_++ % 2 == 0) {
        wait_while(stage_.ready, 0U);
    }
    return stage_.error.load();
}

/// Returns when the helper has nothing to do with the subject any more.
void ThreadSubject::conclude() {
    stage_.abandoned.store(1);
    for (Duty duty = stage_.duty.load(); duty != Duty::none; duty = stage_.duty.load()) {
        wait_while(stage_.duty, duty);
    }
}

int ThreadSubject::expose_by_signal(const FieldSet& fields, Exposure& exposure) {
    handle(SIGUSR1, note_ids);
    handler_state.ran = 0;
    const auto pid = ::getpid();
    const long tid = ::syscall(SYS_gettid);
    overwrite(fields);
    // A thread that signals itself runs the handler before the call returns to it.
    if (::syscall(SYS_tgkill, pid, tid, SIGUSR1) != 0) {
        return errno;
    }
    exposure.hit = handler_state.ran != 0;
    for (std::size_t field = 0; field < exposure.ids.size(); ++field) {
        exposure.ids[field] = handler_state.ids[field];
    }
    return 0;
}

Exposure ThreadSubject::expose(Disturbance how, const FieldSet& fields) {
    Exposure exposure;
    if (how == Disturbance::block) {
        const Switches before = count_switches();
        overwrite(fields);
        const timespec nap{0, nap_ns_};
        ::clock_nanosleep(CLOCK_MONOTONIC, 0, &nap, nullptr);
        exposure.ids = read_ids(area_);
        exposure.hit = count_switches().voluntary > before.voluntary;
        exposure.alone = true;
        if (!exposure.hit && nap_ns_ < longest_nap_ns) {
            nap_ns_ *= 2; // it was over before the thread had gone to sleep
        }
        return exposure;
    }
    if (how == Disturbance::signal) {
        const Switches before = count_switches();
        exposure.error = expose_by_signal(fields, exposure);
        exposure.alone = count_switches() == before;
        return exposure;
    }
    const bool compete = how == Disturbance::preemption;
    exposure.error = arrange(compete ? Duty::compete : Duty::membarrier);
    if (exposure.error == 0) {
        const Switches before = count_switches();
        overwrite(fields);
        std::atomic_signal_fence(std::memory_order_seq_cst);
        stage_.words.inside = 1;
        while (stage_.words.release == 0) {
        }
        exposure.ids = read_ids(area_);
        exposure.alone = compete || count_switches() == before;
    }
    conclude();
    exposure.hit = stage_.hit.load() != 0;
    exposure.error = exposure.error != 0 ? exposure.error : stage_.error.load();
    return exposure;
}

SectionRun ThreadSubject::run_section(Disturbance how) {
    SectionRun run;
    if (!have_section()) {
        run.error = ENOTSUP;
        return run;
    }
    if (how == Disturbance::signal) {
        // An alarm interrupts the section from the CPU that it runs on: no other thread is needed
        // to send the signal. It may come before the section starts, so the next waits longer.
        constexpr unsigned longest = 7;
        handle(SIGALRM, end_section);
        stage_.words.inside = 0;
        stage_.words.release = 0;
        handler_state.hit = 0;
        const Switches before = count_switches();
        run.error = set_alarm(100L << (sections_ < longest ? sections_ : longest));
        if (run.error != 0) {
            return run;
        }
        run.aborted = run_critical_section(area_, stage_.words);
        run.alone = count_switches() == before;
        run.hit = handler_state.hit != 0;
        set_alarm(0);
        ++sections_;
        return run;
    }
    const bool compete = how == Disturbance::preemption;
    run.error = arrange(compete ? Duty::compete : Duty::membarrier);
    if (run.error == 0) {
        const Switches before = count_switches();
        run.aborted = run_critical_section(area_, stage_.words);
        run.alone = compete || count_switches() == before;
    }
    conclude();
    run.hit = stage_.hit.load() != 0;
    run.error = run.error != 0 ? run.error : stage_.error.load();
    return run;
}

int ThreadSubject::slice(unsigned long operation, unsigned long argument, unsigned long arg4) {
    const long result =
        ::syscall(SYS_prctl, pr_rseq_slice_extension, operation, argument, arg4, 0UL);
    return result >= 0 ? static_cast<int>(result) : -errno;
}

std::optional<std::uint32_t> ThreadSubject::version_in_proc() {
    std::array<char, 512> buffer{};
    const int fd = ::open("/proc/thread-self/rseq", O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return std::nullopt;
    }
    const ssize_t length = ::read(fd, buffer.data(), buffer.size());
    ::close(fd);
    const std::string_view text(buffer.data(), length > 0 ? static_cast<std::size_t>(length) : 0);
    return parse_number<std::uint32_t>(value_of_key(text, "Version").value_or(""));
}

bool ThreadSubject::out_of_time() {
    return passed(stage_.deadline);
}

} // namespace rseq::verify
