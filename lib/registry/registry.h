// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include "core/event.h"
#include "core/kernel_facts.h"
#include "core/types.h"
#include "registry/change.h"
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
///  2. apply() what has been read of them, read the clock, take a whole scan, read the clock
///     again, reconcile().
///  3. Go on with apply(), in the order of time, leaving out no event that was not applied yet,
///     be
///  it from before the scan began. After each batch hand what take_unsettled() names to
/// describe(), or to reconcile() as a scan of these processes alone. That scan, too, has to begin
/// after the last event that was applied.
///  4. When events were lost, or needs_rescan() says so: 2 again.
///
/// Why this is right, although a scan takes its time and sees some processes before and some
/// after what the following events tell. All that is known of a process are variables: whether a
/// thread exists, its registration, its name; the policy, the program and the cgroup of the
/// process. Let the scan have begun at `begin` and read a variable at r >= begin; all events
/// since `begin` will be applied, and perhaps some older ones.
///  - No event since `begin` sets the variable: then it did not change, and what was read at r is
///    its value now.
///  - Otherwise the last event that sets it decides, whatever was read, because an event sets a
///    variable to a value of its own: "registered so", "no longer there", "this name". On the way
///    there the variable may go back once more to what it was; a value that a scan read after the
///    event is replaced by an older one, and the events that made it follow.
/// So applying events once more, or to a state that is later than they are, ends in the same
/// state; and after losses, a scan replaces whatever had become wrong. What does not fit this
/// argument is handled one by one:
///  - *Inheritance.* A fork sets the child's registration, policy, program and cgroup to the
///  parent's of that moment, and a scan may have read the parent at a later one. If the scan read
/// the child too, then after its birth, and the event sets nothing. Otherwise a child that is
/// born before the end of the scan has a registration and a policy that are not known, and is to
/// be settled. A thread, or a child with CLONE_VM, starts unregistered and inherits nothing of
/// that kind.
///  - *A number that is used again.* To be in the scan and in an event under the same number does
///  not make two processes one. But the end of the first and the start of the second are events
/// since `begin` unless both were over before it: the end removes whatever is there under that
/// number, the start puts the new one in its place, which is the case above.
///  - *An end takes a while.* The event of an exit is older than the moment when the thread
///    vanishes from /proc. Scans leave out threads that have begun to exit (PF_EXITING), which
///    they do before the event. So a thread that was in the scan has its exit still to come, and
///    the exit of a thread that is not known says nothing.
///  - *An exec takes a while.* The policy is latched, and told, some time before the event of the
///    exec; what was told is kept until that event, also across a scan. If it was told before
///    anybody listened, or lost, the event would say `auto allow`: so the first exec after a scan
///    is to be settled. And the old registration is there until some time after the event: if a
///    scan sees a registration where the last that is known is an exec, the process is to be
///    settled. (A process that is held there, at its exec, by a debugger, and whose next program
///    then never registers, is shown with its old registration until the next scan.)
///  - *The caller of an execve(2) takes the number of its group* some time before the event. A
///    scan may find the process under neither number, and an event may come from a thread that
///    the registry knows by its old number. The exec itself creates what it needs.
/// A process to be settled is read again by a scan of its own, to which all of this applies, and
/// this ends because each scan settles all but what happens during itself.
namespace rseq::registry {

struct Limits {
    /// Threads to be kept. Those beyond are refused, counted, and make the registry incomplete.
    std::size_t threads = 1U << 20U;
    /// Processes whose refused registrations are remembered, the last eight of each; of more, those
    /// with the oldest are forgotten.
    std::size_t refusal_logs = 1024;
};

/// A scan: the processes of a snapshot::Snapshot that was taken with Options::threads,
/// kernel_threads and exe.
struct Scan {
    std::span<const snapshot::Process> processes; ///< ascending by number
    /// CLOCK_BOOTTIME before and after it was taken. The kernel stamps events with a clock that may
    /// differ by some microseconds: take a millisecond from the one and add it to the other.
    std::uint64_t begin_ns = 0;
    std::uint64_t end_ns = 0;
    /// Nothing: all processes, and what is not among them is gone. Otherwise those that were asked
    /// for, and one of these that is not among them is gone.
    std::optional<std::span<const pid_t>> only;
    /// Events were lost since the scan before: what only events told may be wrong, and is unknown
    /// from now on if this scan cannot tell it either.
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
    std::uint64_t strays = 0;          ///< events of a thread whose process is not known
    /// Threads are missing for lack of room since the last whole scan.
    bool incomplete = false;
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
    [[nodiscard]] const Health& health() const { return health_; }
    /// Whether a whole scan would mend something: a stray event was seen since the last one, or
    /// threads that were refused have room now.
    [[nodiscard]] bool needs_rescan() const;

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
    std::shared_ptr<const Cgroup> cgroup_at(std::string_view path);

    void want(Process& process, bool modes); // registry.cpp

    KernelClass kernel_class_;
    Availability slices_;
    bool has_policies_;
    Limits limits_;
    std::uint64_t tick_ns_;

    std::unordered_map<pid_t, Process> processes_;
    std::unordered_map<pid_t, Thread> threads_;
    std::unordered_map<std::string, std::weak_ptr<const Cgroup>> cgroups_; ///< by their paths
    std::size_t cgroups_purged_at_;      ///< number of them at which those of nobody are removed
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
