// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/bus_manager.h"
#include "daemon/bus_names.h"
#include "daemon/bus_policies.h"
#include "daemon/bus_values.h"

#include <string_view>

namespace rseq::daemon {

namespace {

void write_fact(BusWriter& out, const char* key, std::string_view value) {
    out.entry(key, "s", [&] { out.text(value); });
}

void write_fact(BusWriter& out, const char* key, std::uint32_t value) {
    out.entry(key, "u", [&] { out.u32(value); });
}

void write_kernel(BusWriter& out, const KernelFacts& facts) {
    const char* const slices = facts.slices == Availability::yes  ? "yes"
                               : facts.slices == Availability::no ? "no"
                                                                  : "unknown";
    out.open('a', "{sv}");
    write_fact(out, "release", facts.release);
    write_fact(out, "class", to_string(facts.kernel_class));
    write_fact(out, "class_reason", facts.class_reason);
    write_fact(out, "feature_size", facts.feature_size);
    write_fact(out, "alignment", facts.alignment);
    write_fact(out, "slices", slices);
    write_fact(out, "slices_reason", facts.slices_reason);
    write_fact(out, "abi", facts.abi);
    out.close();
}

void write_count(BusWriter& out, Mode mode, std::uint32_t count) {
    out.open('e', "su");
    out.text(to_string(mode));
    out.u32(count);
    out.close();
}

void write_counts(BusWriter& out, const registry::ProcessCounts& counts) {
    out.open('a', "{su}");
    write_count(out, Mode::none, counts.none);
    write_count(out, Mode::v1, counts.v1);
    write_count(out, Mode::v2, counts.v2);
    write_count(out, Mode::mixed, counts.mixed);
    write_count(out, Mode::unknown, counts.unknown);
    out.close();
}

void write_counts(BusWriter& out, const ModeCounts& counts) {
    out.open('a', "{su}");
    write_count(out, Mode::none, counts.none);
    write_count(out, Mode::v1, counts.v1);
    write_count(out, Mode::v2, counts.v2);
    write_count(out, Mode::unknown, counts.unknown);
    out.close();
}

template <auto member>
void reasons(BusWriter& out, const State& state) {
    out.open('a', "{st}");
    for (const auto& [reason, count] : (state.counters.*member).all()) {
        out.open('e', "st");
        out.text(reason);
        out.u64(count);
        out.close();
    }
    out.close();
}

void version(BusWriter& out, const State& /*state*/) {
    out.text(RSEQ_VERSION);
}
void kernel(BusWriter& out, const State& state) {
    write_kernel(out, state.facts);
}
void processes(BusWriter& out, const State& state) {
    write_counts(out, state.registry.process_counts());
}
void threads(BusWriter& out, const State& state) {
    write_counts(out, state.registry.thread_counts());
}
template <auto member>
void word(BusWriter& out, const State& state) {
    out.text(state.*member);
}
template <auto member>
void counter(BusWriter& out, const State& state) {
    out.u64(state.counters.*member);
}

template <void (*write)(BusWriter&, const State&)>
int get(sd_bus* /*bus*/, const char* /*path*/, const char* /*interface*/, const char* /*name*/,
        sd_bus_message* reply, void* self, sd_bus_error* /*error*/) noexcept {
    BusWriter out(reply);
    write(out, static_cast<BusManager*>(self)->state());
    return out.result();
}

constexpr std::uint64_t constant = SD_BUS_VTABLE_PROPERTY_CONST;
constexpr std::uint64_t changing = SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE;
/// What may be called by whom is decided here, not by sd-bus, which would wait for the bus.
constexpr std::uint64_t anybody = SD_BUS_VTABLE_UNPRIVILEGED;

const sd_bus_vtable vtable[] = {
    SD_BUS_VTABLE_START(0),
    SD_BUS_PROPERTY("Version", "s", get<version>, 0, constant),
    SD_BUS_PROPERTY("Kernel", "a{sv}", get<kernel>, 0, constant),
    SD_BUS_PROPERTY("Source", "s", get<word<&State::source>>, 0, constant),
    SD_BUS_PROPERTY("Events", "s", get<word<&State::events>>, 0, constant),
    SD_BUS_PROPERTY("Processes", "a{su}", get<processes>, 0, changing),
    SD_BUS_PROPERTY("Threads", "a{su}", get<threads>, 0, changing),
    SD_BUS_PROPERTY("Registrations", "t", get<counter<&State::Counters::registrations>>, 0,
                    changing),
    SD_BUS_PROPERTY("Refusals", "t", get<counter<&State::Counters::refusals>>, 0, changing),
    SD_BUS_PROPERTY("Violations", "t", get<counter<&State::Counters::violations>>, 0, changing),
    SD_BUS_PROPERTY("RefusalReasons", "a{st}", get<reasons<&State::Counters::refusal_reasons>>, 0,
                    changing),
    SD_BUS_PROPERTY("ViolationReasons", "a{st}", get<reasons<&State::Counters::violation_reasons>>,
                    0, changing),
    SD_BUS_PROPERTY("LostEvents", "t", get<counter<&State::Counters::lost_events>>, 0, changing),
    SD_BUS_PROPERTY("Rescans", "t", get<counter<&State::Counters::rescans>>, 0, changing),
    SD_BUS_PROPERTY("UnknownReason", "s", get<word<&State::unknown_reason>>, 0, changing),
    SD_BUS_METHOD_WITH_NAMES("ListProcesses", "a{sv}", SD_BUS_PARAM(options), "a" RSEQ_DBUS_PROCESS,
                             SD_BUS_PARAM(processes), bus_callback<&BusManager::list_processes>,
                             anybody),
    SD_BUS_METHOD_WITH_NAMES("ListThreads", "au", SD_BUS_PARAM(pids), "a" RSEQ_DBUS_THREAD,
                             SD_BUS_PARAM(threads), bus_callback<&BusManager::list_threads>,
                             anybody),
    SD_BUS_METHOD_WITH_NAMES("GetProcess", "u", SD_BUS_PARAM(pid), "a{sv}", SD_BUS_PARAM(process),
                             bus_callback<&BusManager::get_process>, anybody),
    SD_BUS_METHOD_WITH_NAMES("ListViolations", "", "", "a" RSEQ_DBUS_VIOLATION,
                             SD_BUS_PARAM(violations), bus_callback<&BusManager::list_violations>,
                             anybody),
    SD_BUS_METHOD_WITH_NAMES("Subscribe", "as", SD_BUS_PARAM(kinds), "", "",
                             bus_callback<&BusManager::subscribe>, anybody),
    SD_BUS_METHOD("Unsubscribe", "", "", bus_callback<&BusManager::unsubscribe>, anybody),
    SD_BUS_METHOD("Rescan", "", "", bus_callback<&BusManager::rescan>, anybody),
    SD_BUS_METHOD("Reload", "", "", bus_callback<&BusManager::reload>, anybody),
    SD_BUS_METHOD_WITH_NAMES("ListPolicies", "", "", "a" RSEQ_DBUS_POLICY, SD_BUS_PARAM(policies),
                             bus_callback<&BusManager::list_policies>, anybody),
    SD_BUS_METHOD_WITH_NAMES("ShowPolicy", "ay", SD_BUS_PARAM(target), "a{sv}",
                             SD_BUS_PARAM(policy), bus_callback<&BusManager::show_policy>, anybody),
    SD_BUS_METHOD_WITH_NAMES("ApplyPolicies", "b", SD_BUS_PARAM(dry_run), "a{sv}",
                             SD_BUS_PARAM(result), bus_callback<&BusManager::apply_policies>,
                             anybody),
    SD_BUS_METHOD_WITH_NAMES("SetPolicy", "sa{sv}", SD_BUS_PARAM(unit) SD_BUS_PARAM(settings),
                             "a{sv}", SD_BUS_PARAM(result), bus_callback<&BusManager::set_policy>,
                             anybody),
    SD_BUS_METHOD_WITH_NAMES("UnsetPolicy", "s", SD_BUS_PARAM(unit), "a{sv}", SD_BUS_PARAM(result),
                             bus_callback<&BusManager::unset_policy>, anybody),
    SD_BUS_METHOD_WITH_NAMES("SetSliceLength", "ub", SD_BUS_PARAM(length_ns) SD_BUS_PARAM(runtime),
                             "s", SD_BUS_PARAM(file), bus_callback<&BusManager::set_slice_length>,
                             anybody),
    SD_BUS_SIGNAL_WITH_NAMES("Violation", RSEQ_DBUS_VIOLATION, SD_BUS_PARAM(violation), 0),
    SD_BUS_SIGNAL_WITH_NAMES("Event", "stuuaysa{sv}",
                             SD_BUS_PARAM(kind) SD_BUS_PARAM(time_usec) SD_BUS_PARAM(pid)
                                 SD_BUS_PARAM(tid) SD_BUS_PARAM(comm) SD_BUS_PARAM(unit)
                                     SD_BUS_PARAM(details),
                             0),
    SD_BUS_SIGNAL_WITH_NAMES("EventsLost", "t", SD_BUS_PARAM(count), 0),
    SD_BUS_VTABLE_END,
};

} // namespace

Result<void> BusManager::attach() {
    sd_bus_slot* slot = nullptr;
    const int result = ::sd_bus_add_object_vtable(callers_.bus(), &slot, bus_path,
                                                  manager_interface, vtable, this);
    if (result < 0) {
        return fail(-result, "cannot put the object on the bus");
    }
    slot_.reset(slot);
    return {};
}

} // namespace rseq::daemon
