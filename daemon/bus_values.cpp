// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/bus_values.h"

#include "core/escape.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <ctime>
#include <string>
#include <type_traits>
#include <variant>

namespace rseq::daemon {

namespace {

constexpr std::array<std::string_view, kinds> kind_words{
    "registration", "unregistration", "refusal", "policy", "violation", "exec", "exit", "slice"};

std::uint32_t number(pid_t id) {
    return static_cast<std::uint32_t>(id);
}

std::string unit_text(const proc::Unit& unit) {
    return replace_invalid_utf8(unit.display_name());
}

void write_counts(BusWriter& out, const ModeCounts& threads) {
    out.open('r', "uuuu");
    out.u32(threads.v1);
    out.u32(threads.v2);
    out.u32(threads.none);
    out.u32(threads.unknown);
    out.close();
}

std::uint64_t usec_of(clockid_t clock) {
    timespec now{};
    ::clock_gettime(clock, &now);
    return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000U +
           static_cast<std::uint64_t>(now.tv_nsec) / 1000U;
}

/// CLOCK_BOOTTIME to CLOCK_REALTIME, as it is set now.
std::uint64_t realtime_usec(std::uint64_t boottime_ns) {
    const std::uint64_t age = usec_of(CLOCK_BOOTTIME) - boottime_ns / 1000U;
    return usec_of(CLOCK_REALTIME) - age;
}

void write_refusals(BusWriter& out, const registry::Registry& registry,
                    const registry::Process& process) {
    out.open('a', RSEQ_DBUS_REFUSAL);
    for (const registry::Refusal& refusal : registry.refusals(process)) {
        out.open('r', "tuius");
        out.u64(realtime_usec(refusal.time_ns));
        out.u32(number(refusal.tid));
        out.i32(refusal.error);
        out.u32(refusal.length);
        out.text(errno_name(refusal.error));
        out.close();
    }
    out.close();
}

/// What GetProcess and ListProcesses both tell of a process.
struct Described {
    snapshot::Process process;
    std::string policy;
    std::string compliance; ///< empty: no rule applies
    std::string reason;
};

Described describe(const State& state, const registry::Process& process) {
    Described result{state.registry.snapshot_of(process, false), {}, {}, {}};
    if (result.process.policy) {
        result.policy = rseq::to_string(*result.process.policy);
    }
    if (state.compliance) {
        const enforce::Compliance compliance = state.compliance(process);
        result.compliance = enforce::to_string(compliance.verdict);
        result.reason = compliance.text();
    }
    return result;
}

template <class Write>
void text_entry(BusWriter& out, const char* key, const Write& value) {
    out.entry(key, "s", [&] { out.text(value); });
}

void u32_entry(BusWriter& out, const char* key, std::uint32_t value) {
    out.entry(key, "u", [&] { out.u32(value); });
}

void i32_entry(BusWriter& out, const char* key, std::int32_t value) {
    out.entry(key, "i", [&] { out.i32(value); });
}

void u64_entry(BusWriter& out, const char* key, std::uint64_t value) {
    out.entry(key, "t", [&] { out.u64(value); });
}

void bytes_entry(BusWriter& out, const char* key, std::string_view value) {
    out.entry(key, "ay", [&] { out.bytes(value); });
}

/// The details of an event by what the kernel said.
struct WriteDetails {
    BusWriter& out;
    Mode mode;

    void operator()(const event::Registered& registered) const {
        u32_entry(out, "length", registered.length);
        text_entry(out, "mode", rseq::to_string(mode));
        i32_entry(out, "flags", registered.flags);
        u32_entry(out, "signature", registered.signature);
        i32_entry(out, "errno", registered.error);
    }
    void operator()(const event::Unregistered& unregistered) const {
        i32_entry(out, "errno", unregistered.error);
    }
    void operator()(const event::PolicyLatched& latched) const {
        text_entry(out, "policy", rseq::to_string(latched.policy));
    }
    void operator()(const event::Violation& violation) const {
        text_entry(out, "reason", replace_invalid_utf8(violation.reason));
        out.entry("version", "y", [&] { out.u8(violation.version); });
        u64_entry(out, "expected", violation.expected);
        u64_entry(out, "found", violation.found);
        u64_entry(out, "ip", violation.ip);
    }
    void operator()(const event::Executed& executed) const {
        bytes_entry(out, "filename", executed.filename);
    }
    void operator()(const event::SliceEnabled& enabled) const {
        slice(enabled.enable ? "enable" : "disable", 0, enabled.error);
    }
    void operator()(const event::SliceGranted& granted) const {
        slice("grant", granted.length_ns, 0);
    }
    void operator()(const event::SliceEnded& ended) const {
        slice(replace_invalid_utf8(ended.reason), ended.held_ns, 0);
    }
    template <class Other>
    void operator()(const Other& /*no details*/) const {}

private:
    void slice(const std::string& what, std::uint64_t ns, std::int32_t error) const {
        text_entry(out, "what", what);
        u64_entry(out, "ns", ns);
        i32_entry(out, "errno", error);
    }
};

} // namespace

std::string_view to_string(Kind kind) {
    return kind_words.at(static_cast<std::size_t>(kind));
}

std::optional<Kind> parse_kind(std::string_view text) {
    const auto* const found = std::find(kind_words.begin(), kind_words.end(), text);
    if (found == kind_words.end()) {
        return std::nullopt;
    }
    return static_cast<Kind>(found - kind_words.begin());
}

void write_process(BusWriter& out, const State& state, const registry::Process& process) {
    const Described described = describe(state, process);
    const snapshot::Process& seen = described.process;
    out.open('r', "utbayaysss(uuuu)susss");
    out.u32(number(seen.key.pid));
    out.u64(seen.key.start_ticks);
    out.boolean(seen.kernel_thread);
    out.bytes(seen.comm);
    out.bytes(seen.cgroup);
    out.text(unit_text(seen.unit));
    out.text(rseq::to_string(seen.mode()));
    out.text(rseq::to_string(seen.slice));
    write_counts(out, seen.threads);
    out.text(described.policy);
    out.u32(seen.slice_enabled);
    out.text(rseq::to_string(seen.source));
    out.text(described.compliance);
    out.text(described.reason);
    out.close();
}

void write_process_by_name(BusWriter& out, const State& state, const registry::Process& process) {
    const Described described = describe(state, process);
    const snapshot::Process& seen = described.process;
    out.open('a', "{sv}");
    u32_entry(out, "pid", number(seen.key.pid));
    u64_entry(out, "start_ticks", seen.key.start_ticks);
    out.entry("kernel_thread", "b", [&] { out.boolean(seen.kernel_thread); });
    bytes_entry(out, "comm", seen.comm);
    bytes_entry(out, "cgroup", seen.cgroup);
    text_entry(out, "unit", unit_text(seen.unit));
    text_entry(out, "mode", rseq::to_string(seen.mode()));
    text_entry(out, "slice", rseq::to_string(seen.slice));
    out.entry("threads", "(uuuu)", [&] { write_counts(out, seen.threads); });
    text_entry(out, "policy", described.policy);
    u32_entry(out, "slice_enabled", seen.slice_enabled);
    text_entry(out, "source", rseq::to_string(seen.source));
    text_entry(out, "compliance", described.compliance);
    text_entry(out, "reason", described.reason);
    bytes_entry(out, "exe", process.exe_path());
    out.entry("refusals", "a" RSEQ_DBUS_REFUSAL,
              [&] { write_refusals(out, state.registry, process); });
    out.close();
}

void write_thread(BusWriter& out, const registry::Process& process,
                  const registry::Thread& thread) {
    out.open('r', "uuaysus");
    out.u32(number(process.pid));
    out.u32(number(thread.tid));
    out.bytes(thread.comm.view());
    out.text(rseq::to_string(thread.mode));
    out.u32(thread.length);
    out.text(rseq::to_string(thread.slice));
    out.close();
}

void write_violation(BusWriter& out, const Occurrence& occurrence) {
    const auto* const violation = std::get_if<event::Violation>(&occurrence.payload);
    if (violation == nullptr) {
        return;
    }
    out.open('r', "tuuayayaysyttts");
    out.u64(occurrence.time_usec);
    out.u32(number(occurrence.process.pid));
    out.u32(number(occurrence.tid));
    out.bytes(occurrence.comm);
    out.bytes(occurrence.exe);
    out.bytes(occurrence.cgroup);
    out.text(replace_invalid_utf8(occurrence.unit));
    out.u8(violation->version);
    out.u64(violation->expected);
    out.u64(violation->found);
    out.u64(violation->ip);
    out.text(replace_invalid_utf8(violation->reason));
    out.close();
}

void write_event(BusWriter& out, const Occurrence& occurrence) {
    out.text(to_string(occurrence.kind));
    out.u64(occurrence.time_usec);
    out.u32(number(occurrence.process.pid));
    out.u32(number(occurrence.tid));
    out.bytes(occurrence.comm);
    out.text(replace_invalid_utf8(occurrence.unit));
    out.open('a', "{sv}");
    std::visit(WriteDetails{out, occurrence.mode}, occurrence.payload);
    out.close();
}

} // namespace rseq::daemon
