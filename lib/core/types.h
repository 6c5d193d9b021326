// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <sys/types.h>

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace rseq {

/// The length of a v1 registration: the size of the original `struct rseq` with its padding.
inline constexpr std::uint32_t original_length = 32;

/// How the kernel treats the registration of a thread, or of all threads of a process.
enum class Mode : std::uint8_t {
    none,    ///< not registered
    v1,      ///< legacy: everything is rewritten at every context switch and signal
    v2,      ///< optimized: only what changed is written
    mixed,   ///< threads of one process differ (v1 beside v2)
    unknown, ///< no source could tell
};

/// Where an answer comes from, strongest first.
enum class Evidence : std::uint8_t {
    procfs, ///< /proc/<pid>/rseq of the patched kernel
    bpf,    ///< a task iterator that read the task_struct
    trace,  ///< a registration event that was seen
    ptrace, ///< PTRACE_GET_RSEQ_CONFIGURATION
    none,   ///< there is no answer
};

/// What a thread may do with time slice extensions.
enum class SliceState : std::uint8_t {
    unknown,
    unavailable, ///< not built, off at boot, or the thread is not v2
    denied,      ///< by policy
    available,
    enabled,
};

/// What kind of rseq implementation the running kernel has, found by behaviour.
enum class KernelClass : std::uint8_t {
    unknown,
    unsupported, ///< rseq(2) does not exist
    historical,  ///< every registration behaves like v1 (up to Linux 6.18)
    broken,      ///< every registration is optimized and the v1 guarantees are lost (6.19 to 7.0.9)
    dual,        ///< v1 and v2, chosen by the length of the registration
};

/// The policy that a process latched at its last execve(2).
enum class PolicyMode : std::uint8_t { automatic, legacy, off };
enum class PolicySlice : std::uint8_t { allow, deny };

struct Policy {
    PolicyMode mode = PolicyMode::automatic;
    PolicySlice slice = PolicySlice::allow;
    friend bool operator==(const Policy&, const Policy&) = default;
};

/// The words used in /proc, in text output and in JSON. Never empty.
[[nodiscard]] std::string_view to_string(Mode mode);
[[nodiscard]] std::string_view to_string(Evidence evidence);
[[nodiscard]] std::string_view to_string(SliceState state);
[[nodiscard]] std::string_view to_string(KernelClass kernel_class);
[[nodiscard]] std::string_view to_string(PolicyMode mode);
[[nodiscard]] std::string_view to_string(PolicySlice slice);
/// "auto allow" and the like: the two words of the `Policy` key in /proc.
[[nodiscard]] std::string to_string(const Policy& policy);

/// The inverse; nothing if the text is none of the words.
[[nodiscard]] std::optional<Mode> parse_mode(std::string_view text);
[[nodiscard]] std::optional<Evidence> parse_evidence(std::string_view text);
[[nodiscard]] std::optional<SliceState> parse_slice_state(std::string_view text);
[[nodiscard]] std::optional<KernelClass> parse_kernel_class(std::string_view text);
[[nodiscard]] std::optional<Policy> parse_policy(std::string_view text);

/// A process that cannot be mistaken for a later one with the same number.
struct ProcessKey {
    pid_t pid = 0;
    /// Field 22 of /proc/<pid>/stat: clock ticks (USER_HZ) from boot to the start of the process.
    std::uint64_t start_ticks = 0;
    // NOLINTNEXTLINE(modernize-use-nullptr): a false alarm of clang-tidy 14
    friend auto operator<=>(const ProcessKey&, const ProcessKey&) = default;
};

/// What one source saw of the registration of one thread, not yet judged by the kernel's class.
struct Registration {
    bool registered = false;
    /// Bytes that the thread registered; 0 if not registered or not known (procfs of version 0).
    std::uint32_t length = 0;
    /// The kernel's own word for the mode, 1 or 2, where it keeps one.
    std::optional<std::uint8_t> version;
    SliceState slice = SliceState::unknown;
    friend bool operator==(const Registration&, const Registration&) = default;
};

/// One thread as one source saw it.
struct ThreadObservation {
    pid_t tgid = 0;
    pid_t tid = 0;
    /// Start of the thread group's leader, in the unit of ProcessKey.
    std::uint64_t leader_start_ticks = 0;
    bool kernel_thread = false;
    /// The thread's own name: untrusted bytes, at most 15 of them.
    std::string comm;
    /// Inode number of the cgroup v2 directory; 0 where the source does not know it.
    std::uint64_t cgroup_id = 0;
    /// Nothing if the source could not tell.
    std::optional<Registration> registration;
};

/// How many threads of a process are in each mode. Mode::mixed has no count: a thread is never
/// mixed.
struct ModeCounts {
    std::uint32_t v1 = 0;
    std::uint32_t v2 = 0;
    std::uint32_t none = 0;
    std::uint32_t unknown = 0;

    void add(Mode mode, std::uint32_t threads = 1);
    /// So many must have been added.
    void remove(Mode mode, std::uint32_t threads = 1) { add(mode, 0U - threads); }
    [[nodiscard]] std::uint32_t total() const { return v1 + v2 + none + unknown; }
    /// The mode of a process with these threads. Unregistered threads do not make a process mixed:
    /// a thread has not registered yet when it starts. A thread that is not known makes the process
    /// unknown unless v1 beside v2 was seen already.
    [[nodiscard]] Mode process_mode() const;
    friend bool operator==(const ModeCounts&, const ModeCounts&) = default;
};

/// The mode of a thread with this registration on a kernel of this class. The kernel's own version
/// counts only on a `dual` kernel: `broken` kernels keep a flag of the same name that is always 1.
/// Mode::unknown where the class is needed and not known.
[[nodiscard]] Mode judge(const Registration& registration, KernelClass kernel_class);

} // namespace rseq
