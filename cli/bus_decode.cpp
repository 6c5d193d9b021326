// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/bus_decode.h"

#include "cli/message_reader.h"

#include <algorithm>
#include <climits>
#include <string_view>
#include <utility>

namespace rseq::cli {

namespace {

using snapshot::Process;

// The longest that can be, and more: the kernel's names of its own threads, paths, and the daemon's
// clauses and words.
constexpr std::size_t comm_limit = 256;
constexpr std::size_t path_limit = PATH_MAX;
constexpr std::size_t clause_limit = 4096;
constexpr std::size_t word_limit = 256;

constexpr const char* process_type = "utbayaysss(uuuu)susss";
constexpr const char* violation_type = "tuuayayaysyttts";
constexpr const char* thread_type = "uuaysus";

Availability availability_of(std::string_view word) {
    return word == "yes"  ? Availability::yes
           : word == "no" ? Availability::no
                          : Availability::unknown;
}

KernelFacts read_kernel(MessageReader& in) {
    KernelFacts facts;
    std::string class_word;
    read_members(in, [&](std::string_view name, MessageReader& value) {
        if (name == "release") {
            facts.release = variant_string(value, word_limit);
        } else if (name == "class") {
            class_word = variant_string(value, word_limit);
        } else if (name == "class_reason") {
            facts.class_reason = variant_string(value, clause_limit);
        } else if (name == "feature_size") {
            facts.feature_size = variant_u32(value);
        } else if (name == "alignment") {
            facts.alignment = variant_u32(value);
        } else if (name == "slices") {
            facts.slices = availability_of(variant_string(value, word_limit));
        } else if (name == "slices_reason") {
            facts.slices_reason = variant_string(value, clause_limit);
        } else if (name == "abi") {
            facts.abi = variant_u32(value);
        } else {
            return false;
        }
        return true;
    });
    if (facts.release.empty() || class_word.empty()) {
        in.refuse();
    }
    if (const auto kernel_class = parse_kernel_class(class_word)) {
        facts.kernel_class = *kernel_class;
    } else {
        facts.class_reason = "rseq-compatd calls it " + class_word + ", a class not known here";
    }
    return facts;
}

Process read_process(MessageReader& in) {
    Process process;
    process.key.pid = in.id();
    process.key.start_ticks = in.u64();
    process.kernel_thread = in.boolean();
    process.comm = in.bytes(comm_limit);
    process.cgroup = in.bytes(path_limit);
    in.skip("s"); // the name of the unit, which follows from the cgroup
    process.unit = proc::unit_of_cgroup(process.cgroup);
    const auto mode = parse_mode(in.string(word_limit));
    process.slice = parse_slice_state(in.string(word_limit)).value_or(SliceState::unknown);
    if (in.enter('r', "uuuu")) {
        process.threads.v1 = in.u32();
        process.threads.v2 = in.u32();
        process.threads.none = in.u32();
        process.threads.unknown = in.u32();
        in.leave();
    }
    if (mode != process.threads.process_mode()) {
        process.threads = {.unknown = process.threads.total()};
    }
    process.policy = parse_policy(in.string(word_limit));
    process.slice_enabled = in.u32();
    process.source = parse_evidence(in.string(word_limit)).value_or(Evidence::none);
    const std::string verdict = in.string(word_limit);
    if (verdict == "yes" || verdict == "no") {
        process.compliant = verdict == "yes";
    }
    process.compliance_reason = in.string(clause_limit);
    return process;
}

bool read_detail(std::string_view name, MessageReader& in, EventDetails& details) {
    if (name == "length") {
        details.length = variant_u32(in);
    } else if (name == "mode") {
        details.mode = parse_mode(variant_string(in, word_limit)).value_or(Mode::unknown);
    } else if (name == "flags") {
        details.flags = variant_i32(in);
    } else if (name == "signature") {
        details.signature = variant_u32(in);
    } else if (name == "errno") {
        details.error = variant_i32(in);
    } else if (name == "policy") {
        details.policy = parse_policy(variant_string(in, word_limit));
    } else if (name == "reason") {
        details.reason = variant_string(in, word_limit);
    } else if (name == "version") {
        details.version = variant(in, "y", [](MessageReader& inner) { return inner.byte(); });
    } else if (name == "expected") {
        details.expected = variant_u64(in);
    } else if (name == "found") {
        details.found = variant_u64(in);
    } else if (name == "ip") {
        details.ip = variant_u64(in);
    } else if (name == "filename") {
        details.filename =
            variant(in, "ay", [](MessageReader& inner) { return inner.bytes(path_limit); });
    } else if (name == "what") {
        details.what = variant_string(in, word_limit);
    } else if (name == "ns") {
        details.ns = variant_u64(in);
    } else {
        return false;
    }
    return true;
}

std::vector<explain::Refusal> read_refusals(MessageReader& in) {
    std::vector<explain::Refusal> refusals;
    read_rows(in, "tuius", [&](MessageReader& row) {
        explain::Refusal refusal;
        refusal.time_usec = row.u64();
        refusal.tid = row.id_or_none();
        refusal.error = row.i32();
        refusal.length = row.u32();
        row.skip("s");
        refusals.push_back(refusal);
    });
    return refusals;
}

std::map<std::string, std::uint64_t> read_reasons(MessageReader& in) {
    constexpr std::size_t most = 64;
    std::map<std::string, std::uint64_t> reasons;
    if (!in.enter('a', "{st}")) {
        in.refuse();
        return reasons;
    }
    while (reasons.size() < most && in.enter('e', "st")) {
        const std::string reason = in.string(word_limit);
        reasons[reason] += in.u64();
        in.leave();
    }
    in.leave();
    return reasons;
}

Killed read_violation(MessageReader& in) {
    Killed killed;
    killed.time_usec = in.u64();
    killed.pid = in.id_or_none();
    in.skip("u");
    killed.comm = in.bytes(comm_limit);
    killed.exe = in.bytes(path_limit);
    killed.cgroup = in.bytes(path_limit);
    killed.unit = in.string(path_limit);
    const std::uint8_t version = in.byte();
    killed.mode = version == 1 ? Mode::v1 : version == 2 ? Mode::v2 : Mode::unknown;
    killed.expected = in.u64();
    killed.found = in.u64();
    in.skip("t"); // where the program was
    killed.reason = in.string(word_limit);
    return killed;
}

} // namespace

Result<DaemonFacts> decode_properties(sd_bus_message* reply) {
    const std::string what = "what rseq-compatd says of itself";
    if (auto right = check_types(reply, "a{sv}", what); !right) {
        return tl::unexpected<Error>(std::move(right.error()));
    }
    DaemonFacts facts;
    MessageReader in(reply);
    read_members(in, [&](std::string_view name, MessageReader& value) {
        if (name == "Version") {
            facts.version = variant_string(value, word_limit);
        } else if (name == "Kernel") {
            facts.kernel = variant(value, "a{sv}", read_kernel);
        } else if (name == "Events") {
            facts.events = variant_string(value, word_limit);
        } else if (name == "UnknownReason") {
            facts.unknown_reason = variant_string(value, clause_limit);
        } else if (name == "Registrations") {
            facts.registrations = variant_u64(value);
        } else if (name == "Refusals") {
            facts.refusals = variant_u64(value);
        } else if (name == "Violations") {
            facts.violations = variant_u64(value);
        } else if (name == "RefusalReasons") {
            facts.refusal_reasons = variant(value, "a{st}", read_reasons);
        } else if (name == "ViolationReasons") {
            facts.violation_reasons = variant(value, "a{st}", read_reasons);
        } else if (name == "LostEvents") {
            facts.lost_events = variant_u64(value);
        } else if (name == "Rescans") {
            facts.rescans = variant_u64(value);
        } else {
            return false;
        }
        return true;
    });
    if (facts.version.empty() || facts.kernel.release.empty()) {
        in.refuse(); // not there
    }
    return in.finish(what).map([&] { return std::move(facts); });
}

Result<std::vector<Process>> decode_processes(sd_bus_message* reply) {
    const std::string what = "the list of processes";
    if (auto right = check_types(reply, array_of(process_type), what); !right) {
        return tl::unexpected<Error>(std::move(right.error()));
    }
    std::vector<Process> processes;
    MessageReader in(reply);
    read_rows(in, process_type,
              [&](MessageReader& row) { processes.push_back(read_process(row)); });
    std::sort(processes.begin(), processes.end(),
              [](const Process& a, const Process& b) { return a.key < b.key; });
    return in.finish(what).map([&] { return std::move(processes); });
}

Result<void> decode_threads(sd_bus_message* reply, std::vector<Process>& processes) {
    const std::string what = "the list of threads";
    if (auto right = check_types(reply, array_of(thread_type), what); !right) {
        return tl::unexpected<Error>(std::move(right.error()));
    }
    MessageReader in(reply);
    read_rows(in, thread_type, [&](MessageReader& row) {
        const pid_t pid = row.id();
        snapshot::Thread thread;
        thread.tid = row.id();
        thread.comm = row.bytes(comm_limit);
        const auto mode = parse_mode(row.string(word_limit));
        thread.mode = mode == Mode::mixed ? Mode::unknown : mode.value_or(Mode::unknown);
        thread.length = row.u32();
        thread.slice = parse_slice_state(row.string(word_limit)).value_or(SliceState::unknown);
        const auto process = std::lower_bound(
            processes.begin(), processes.end(), pid,
            [](const Process& candidate, pid_t wanted) { return candidate.key.pid < wanted; });
        if (process != processes.end() && process->key.pid == pid) {
            process->thread_list.push_back(std::move(thread));
        } // otherwise of one that has started after the processes were listed
    });
    return in.finish(what);
}

Result<ProcessDetails> decode_details(sd_bus_message* reply) {
    const std::string what = "what rseq-compatd says of a process";
    if (auto right = check_types(reply, "a{sv}", what); !right) {
        return tl::unexpected<Error>(std::move(right.error()));
    }
    ProcessDetails details;
    MessageReader in(reply);
    read_members(in, [&](std::string_view name, MessageReader& value) {
        if (name == "start_ticks") {
            details.start_ticks = variant_u64(value);
        } else if (name == "refusals") {
            details.refusals = variant(value, "a(tuius)", read_refusals);
        } else {
            return false;
        }
        return true;
    });
    return in.finish(what).map([&] { return std::move(details); });
}

Result<std::vector<Killed>> decode_violations(sd_bus_message* reply) {
    const std::string what = "the list of violations";
    if (auto right = check_types(reply, array_of(violation_type), what); !right) {
        return tl::unexpected<Error>(std::move(right.error()));
    }
    std::vector<Killed> list;
    MessageReader in(reply);
    read_rows(in, violation_type, [&](MessageReader& row) { list.push_back(read_violation(row)); });
    return in.finish(what).map([&] { return std::move(list); });
}

void settle_threads(std::vector<Process>& processes) {
    for (Process& process : processes) {
        process.threads = {};
        std::sort(process.thread_list.begin(), process.thread_list.end(),
                  [](const auto& a, const auto& b) { return a.tid < b.tid; });
        for (const snapshot::Thread& thread : process.thread_list) {
            process.threads.add(thread.mode);
        }
    }
    std::erase_if(processes, [](const Process& process) { return process.thread_list.empty(); });
}

Result<std::optional<BusEvent>> decode_event(sd_bus_message* signal) {
    const std::string what = "an event of rseq-compatd";
    if (auto right = check_types(signal, "stuuaysa{sv}", what); !right) {
        return tl::unexpected<Error>(std::move(right.error()));
    }
    MessageReader in(signal);
    BusEvent event;
    const auto kind = parse_event_kind(in.string(word_limit));
    event.kind = kind.value_or(EventKind::registration);
    event.time_usec = in.u64();
    event.pid = in.id_or_none();
    event.tid = in.id_or_none();
    event.comm = in.bytes(comm_limit);
    event.unit = in.string(path_limit);
    read_members(in, [&](std::string_view name, MessageReader& value) {
        return kind && read_detail(name, value, event.details);
    });
    return in.finish(what).map(
        [&] { return kind ? std::optional(std::move(event)) : std::nullopt; });
}

Result<EventsLost> decode_lost(sd_bus_message* signal) {
    const std::string what = "the number of events lost by rseq-compatd";
    if (auto right = check_types(signal, "t", what); !right) {
        return tl::unexpected<Error>(std::move(right.error()));
    }
    MessageReader in(signal);
    const EventsLost lost{in.u64()};
    return in.finish(what).map([&] { return lost; });
}

} // namespace rseq::cli
