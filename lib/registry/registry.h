// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include "core/event.h"
#include "core/kernel_facts.h"
#include "core/types.h"
#include "registry/change.h"
#include "registry/path_table.h"
#include "registry/process.h"
#include "snapshot/snapshot.h"

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

/// Every process and the mode of each of its threads, kept up to date by events and scans.
///
/// How to use it, so that nothing is missed:
///  1. Subscribe to the events.
///  2. apply() all that was read of them. Take a whole scan and reconcile() it.
///  3. Go on with apply(), in the order of time, leaving out no event, be it older than the scan.
///     After each batch hand what take_unsettled() names to describe(), or to reconcile() as a
///     scan of these processes alone.
///  4. When events were lost, or needs_rescan() says so: 2 again.
/// The one rule is that a scan or description begins after the last event that was applied before.
///
/// Why that is right, although a scan takes its time, and sees some processes before and others
/// after what the events behind it tell. What is known are variables: whether a thread exists, its
/// registration, its name; the policy, the program and the cgroup of a process. A scan reads each
/// of them at some moment. The events that follow are all that were not applied before, so all
/// from after that moment are among them.
///  - If none of them sets the variable, then it did not change, and what was read is its value.
///  - Otherwise the last one that does decides, whatever was read, because an event sets a
///    variable to a value of its own: "registered so", "no longer there", "this name". On the way
///    there the variable may once more be what it was before.
/// So events may be applied to a state that is later than they are, and after losses a scan
/// replaces what had become wrong. What does not fit this argument is handled one by one:
///  - *Inheritance.* A fork gives the child the registration, policy, program and cgroup that the
///    parent has at this moment, and a scan may have read the parent later. So a child that was
///    born before a scan of its parent ended has no known registration and policy, and is
///    unsettled. If a scan saw the child, it did so after the birth, and the event sets nothing,
///    unless events were applied to the child since: those were of an earlier one with its number.
///    (A thread, and a child that shares the address space, start unregistered.)
///  - *Numbers that are used again.* An event of an earlier thread can meet the record of a later
///    one that a scan saw. The end of the earlier one removes that record, and the start of the
///    later one, which follows, makes it again. That a whole group is dead is believed only if the
///    group has no other threads, or was not scanned since: otherwise it is unsettled.
///  - *Starts by a thread that is not known.* It exited while the scan looked at it, and may have
///    left others behind that are of no known group. needs_rescan() says so.
///  - *An exit takes a while.* Its event is older than the moment when the thread vanishes. Scans
///    leave out threads that have begun to exit (PF_EXITING), which is before the event. So a
///    thread that was in a scan has its exit still to come, and the exit of one that is not known
///    says nothing.
///  - *An exec takes a while.* The policy is told some time before the exec is, and kept until
///    then. If nobody listened, or it was lost, the exec seems to have got `auto allow`: so the
///    first exec after that is unsettled. The caller's number is given up for that of the group
///    before the exec is told: a scan can find the process under neither, and another thread can
///    have the old one. So the exec makes what it needs. And the old registration is forgotten only
///    after the exec is told: of a process of which an exec is the last that was told, a scan says
///    nothing new about that, unless events were lost; then it is believed and unsettled. (So if
///    the event of an exec is lost and a debugger holds the process right behind it, its old
///    registration is shown until it makes another one or the next scan.)
/// A process that is unsettled is scanned again, alone, to which all this applies as well. That
/// ends, as each scan settles all but what happens during itself.
namespace rseq::registry {

struct Limits {
    /// Threads to be kept. Those beyond are refused, counted, and make the registry incomplete.
    std::size_t threads = 1U << 20U;
    /// Bytes to be kept of the paths of programs, and as many of those of cgroups, each path once
    /// and with what is kept beside it. Those beyond are not known, counted, and make the registry
    /// incomplete. Not below some of the longest paths.
    std::size_t path_bytes = 32U << 20U;
    /// Processes whose refused registrations are remembered, the last eight of each; of more, those
    /// with the oldest are forgotten.
    std::size_t refusal_logs = 1024;
};

/// A scan: the processes of a snapshot::Snapshot that was taken with Options::threads,
/// kernel_threads and exe.
struct Scan {
    std::span<const snapshot::Process> processes; ///< ascending by number
    /// CLOCK_BOOTTIME before and after it was taken. The kernel's clock for events can differ by
    /// some microseconds: take a millisecond from the one and add it to the other.
    std::uint64_t begin_ns = 0;
    std::uint64_t end_ns = 0;
    /// Nothing: all processes, and what is not among them is gone. Otherwise those that were asked
    /// for, and one of these that is not among them is gone.
    std::optional<std::span<const pid_t>> only;
    /// Events were lost since the last whole scan: what only events told may be wrong, and is not
    /// known any more if this scan cannot tell it.
    bool events_lost = false;
};

/// A process of which events cannot tell everything.
struct Unsettled {
    pid_t pid = 0;
    /// A scan has to tell its registrations or policy. Otherwise start time, program and cgroup are
    /// missing, and a description will do.
    bool modes = false;
};

/// Processes in each mode. Kernel threads are not counted.
struct ProcessCounts {
    std::uint32_t none = 0;
    std::uint32_t v1 = 0;
    std::uint32_t v2 = 0;
    std::uint32_t mixed = 0;
    std::uint32_t unknown = 0;

    [[nodiscard]] std::uint32_t total() const { return none + v1 + v2 + mixed + unknown; }
    friend bool operator==(const ProcessCounts&, const ProcessCounts&) = default;
};

/// What the registry knows to be missing.
struct Health {
    std::uint64_t refused_threads = 0; ///< there was no room for
    std::uint64_t refused_paths = 0;   ///< of programs and cgroups, each time that one was told
    std::uint64_t strays = 0;          ///< events of a thread whose process is not known
    /// Threads are missing for lack of room since the last whole scan.
    bool incomplete = false;
    /// Programs or cgroups are missing for lack of room since the last whole scan.
    bool paths_incomplete = false;
};

/// Not for concurrent use. Does no I/O and has no clock.
class Registry {
public:
    /// `facts.kernel_class` judges registrations where the kernel has no word of its own. Policies
    /// are known by events only if `facts.abi` is not 0. `ticks_per_second` is USER_HZ, as
    /// sysconf(_SC_CLK_TCK) tells it.
    explicit Registry(const KernelFacts& facts, const Limits& limits = {},
                      std::uint64_t ticks_per_second = 100);
    ~Registry();
    Registry(const Registry&) = delete;
    Registry& operator=(const Registry&) = delete;

    /// Takes one event into account. No event is an error: one that contradicts what is known is
    /// right, and the registry had missed something. Costs one or two look-ups and, unless a
    /// process starts, ends or executes, no memory.
    Changes apply(const Event& event);

    /// Takes a scan into account.
    Changes reconcile(const Scan& scan);

    /// Completes what events do not tell by start time, name, cgroup, program and kernel_thread of
    /// `seen`, read after the last event that was applied; its threads and policy are not looked
    /// at. An empty program or cgroup says nothing. Returns false and changes nothing if `seen` is
    /// not known, or is a later process with the same number: by its start time, which is not that
    /// of the known one or is after an event of it.
    bool describe(const snapshot::Process& seen);

    /// The processes to be read by describe() or reconcile(), each once, without those that have
    /// ended already. One that is not described stays as it is.
    std::vector<Unsettled> take_unsettled();

    /// Null if there is none. Valid until the registry is changed.
    [[nodiscard]] const Process* find(pid_t pid) const;
    [[nodiscard]] const Thread* find_thread(pid_t tid) const;
    /// All of them, ascending by number, kernel threads included. Valid until the registry is
    /// changed.
    [[nodiscard]] std::vector<const Process*> processes() const;
    [[nodiscard]] std::vector<const Thread*> threads(const Process& process) const;
    /// The last refused attempts to register of this process, oldest first, at most eight.
    [[nodiscard]] std::span<const Refusal> refusals(const Process& process) const;
    /// The process as a scan would show it, `key.start_ticks` 0 if it is not known.
    [[nodiscard]] snapshot::Process snapshot_of(const Process& process, bool with_threads) const;

    [[nodiscard]] const ProcessCounts& process_counts() const { return process_counts_; }
    /// Threads of the same processes.
    [[nodiscard]] const ModeCounts& thread_counts() const { return thread_counts_; }
    [[nodiscard]] std::size_t process_size() const { return processes_.size(); }
    [[nodiscard]] std::size_t thread_size() const { return threads_.size(); }
    /// Bytes of paths that are kept, of programs and cgroups together.
    [[nodiscard]] std::size_t path_bytes() const { return programs_.bytes() + cgroups_.bytes(); }
    [[nodiscard]] Health health() const;
    /// Whether a whole scan would mend something: a stray event was seen since the last one, or
    /// threads or paths that were refused have room now.
    [[nodiscard]] bool needs_rescan() const;

    /// Whether it is this process that started then (field 22 of /proc/<pid>/stat), and not a later
    /// one with its number.
    [[nodiscard]] bool is_it(const Process& process, std::uint64_t start_ticks) const;
    /// Whether who started then had started at `time_ns` (CLOCK_BOOTTIME of an event): if so, an
    /// event of that time with its number is of it.
    [[nodiscard]] bool has_started(std::uint64_t start_ticks, std::uint64_t time_ns) const;

private:
    void on(const Event& event, const event::ThreadStarted& started);
    void on(const Event& event, const event::Renamed& renamed);
    void on(const Event& event, const event::Executed& executed);
    void on(const Event& event, const event::Exited& exited);
    void on(const Event& event, const event::Registered& registered);
    void on(const Event& event, const event::Unregistered& unregistered);
    void on(const Event& event, const event::Violation& violation);
    void on(const Event& event, const event::PolicyLatched& latched);
    void on(const Event& event, const event::SliceEnabled& enabled);
    void on(const Event& event, const event::SliceGranted& granted);
    void on(const Event& event, const event::SliceEnded& ended);
    void on(const Event& event, const event::CgroupMade& made);
    void on(const Event& event, const event::CgroupEntered& entered);

    // apply.cpp
    /// Whether a scan may have seen the process at a later moment than the event is of.
    static bool is_inexact(const Process& process, const Event& event);
    static void touch(Thread& thread);
    bool free_number(const Event& event, pid_t tid, pid_t group);
    void start_process(const Event& event, const event::ThreadStarted& started);
    Process* group_of(const Event& event);
    Process* process_of(const Event& event, pid_t tgid);
    Thread* thread_of(const Event& event, pid_t tgid);
    void stray(const Event& event);
    void tell_of(ChangeKind kind, const Event& event, pid_t tgid);

    // reconcile.cpp
    void remove_absent(const Scan& scan);
    void merge(const Scan& scan, const snapshot::Process& seen);
    void remove_absent_threads(const snapshot::Process& seen, Process& process);
    void merge_threads(const Scan& scan, const snapshot::Process& seen, Process& process);
    [[nodiscard]] bool is_same(const Process& process, const snapshot::Process& seen) const;
    void take_names(Process& process, const snapshot::Process& seen);

    // store.cpp
    Process* process_at(pid_t pid);
    Thread* thread_at(pid_t tid);
    void start_changes();
    Change& tell(ChangeKind kind, const Event* event, const Process* process,
                 const Thread* thread = nullptr);
    /// Tells of a process that is new, or in another mode than it was told to be. At the end of
    /// whatever changed one.
    void settle(Process& process, const Event* event);
    void count(const Process& process, std::uint32_t processes);
    bool has_room(std::size_t used);
    /// Null if there is no room. The process must not be there.
    Process* add_process(pid_t pid);
    void remove_process(Process& process, const Event* event);
    /// Its mode is unknown unless it was there. A thread of another process that had this number is
    /// gone, and that process too if it was the last one. Null if there is no room.
    Thread* add_thread(Process& process, pid_t tid, const Event* event);
    void remove_thread(Thread& thread);
    void lose_thread(Thread& thread, const Event* event);
    void set_registration(Thread& thread, Mode mode, std::uint32_t length, SliceState slice);
    void set_kernel_thread(Process& process, bool kernel_thread);
    void remember(Process& process, const Refusal& refusal);
    /// Null without room.
    std::shared_ptr<const std::string> program_at(std::string_view path);
    std::shared_ptr<const Cgroup> cgroup_at(std::string_view path);
    void note_path(bool had_room);

    void want(Process& process, bool modes); // registry.cpp

    KernelClass kernel_class_;
    Availability slices_;
    bool has_policies_;
    Limits limits_;
    std::uint64_t tick_ns_;

    PathTable<std::string> programs_; ///< these two before the processes, which have some of them
    PathTable<Cgroup> cgroups_;
    std::unordered_map<pid_t, Process> processes_;
    std::unordered_map<pid_t, Thread> threads_;
    std::list<RefusalLog> refusal_logs_; ///< the one with the oldest last refusal first
    std::vector<pid_t> unsettled_;       ///< some have ended, or been settled, since

    ProcessCounts process_counts_;
    ModeCounts thread_counts_;
    Health health_;
    bool stray_seen_ = false;
    std::uint64_t whole_begin_ns_ = 0; ///< of the last whole scan

    std::vector<Change> changes_;
    /// Processes that `changes_` points to.
    std::vector<std::unordered_map<pid_t, Process>::node_type> gone_;
    std::vector<pid_t> scratch_;
};

} // namespace rseq::registry
