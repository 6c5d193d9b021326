// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include "core/result.h"
#include "core/unique_fd.h"
#include "trace/events.h"

#include <cstdint>
#include <string>

namespace rseq::trace {

struct InstanceOptions {
    /// Mount point of tracefs; empty: where libtracefs finds it. It is never mounted from here.
    std::string tracefs;
    std::string name = "rseq-compat";
    /// Ring buffer of each CPU, in KiB of kernel memory. The kernel rounds it up to whole pages
    /// and has a least size; an instance for which there is not enough memory gets less.
    std::uint32_t buffer_kib = 256;
};

/// A trace instance of our own, `instances/NAME` in tracefs: ring buffers and a choice of events
/// that no other user of tracing shares. While it exists the kernel does the work of the events
/// that are on; it goes away with this object.
///
/// Everything is done by opening and writing files below `instances`, which belong to root with
/// mode 0750 and 0640: another user needs CAP_DAC_OVERRIDE (write), nothing else does. On kernels
/// that are locked down for confidentiality every open fails with EPERM, whoever asks.
class Instance {
public:
    /// Makes the instance: clock `boot`, newest events win, readers are woken by the first event,
    /// all events off, recording on.
    ///
    /// An instance of that name that nobody has open is what a killed daemon left behind. It is
    /// removed, with all that is switched on in it, and made anew. One whose files are open belongs
    /// to somebody who lives: EBUSY. The descriptor of one file is kept open for that very purpose.
    ///
    /// ENOENT: tracefs is not mounted, or the kernel has no instances. EACCES, EPERM: see above.
    /// ENOMEM: not even the least ring buffers.
    static Result<Instance> open(const InstanceOptions& options);

    Instance(Instance&&) noexcept = default;
    Instance& operator=(Instance&&) noexcept;
    Instance(const Instance&) = delete;
    Instance& operator=(const Instance&) = delete;
    /// Switches everything off and removes the instance. All descriptors of files in it have to be
    /// closed by then: an instance with open files stays, silent, for the next open().
    ~Instance();

    /// Switches one event on or off, with its filter. ENOENT if the kernel does not have it.
    Result<void> enable(const KnownEvent& event, bool on);

    /// Absolute path of the instance.
    [[nodiscard]] const std::string& path() const { return path_; }
    /// KiB for each CPU that the kernel gave.
    [[nodiscard]] std::uint32_t buffer_kib() const { return buffer_kib_; }
    /// Whether a stale instance was in the way.
    [[nodiscard]] bool replaced_stale() const { return replaced_stale_; }

private:
    Instance() = default;
    Result<void> create(const std::string& name);
    Result<void> set_up(std::uint32_t buffer_kib);
    Result<void> set_buffer_size(std::uint32_t kib);
    [[nodiscard]] Result<void> set(const std::string& file, const char* word) const;
    void remove() noexcept;

    UniqueFd instances_; ///< the directory of all instances
    UniqueFd dir_;       ///< that of this one; empty after a move
    UniqueFd tracing_on_;
    std::string name_;
    std::string path_;
    std::uint32_t buffer_kib_ = 0;
    bool replaced_stale_ = false;
};

} // namespace rseq::trace
