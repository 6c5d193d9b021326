// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/bus_subscribers.h"

#include "daemon/bus_names.h"

#include <algorithm>

namespace rseq::daemon {

Subscribers::~Subscribers() {
    if (wants(Kind::slice)) {
        want_slices_(false);
    }
}

bool Subscribers::set(Caller& caller, std::uint16_t wanted) {
    const bool had_slices = wants(Kind::slice);
    if (caller.kinds == 0 && wanted != 0) {
        const auto of_user =
            std::count_if(subscribers_.begin(), subscribers_.end(),
                          [&](const Caller* one) { return one->uid() == caller.uid(); });
        if (subscribers_.size() >= limits_.subscribers ||
            (!caller.is_root() && static_cast<std::size_t>(of_user) >= limits_.per_user)) {
            return false;
        }
        subscribers_.push_back(&caller);
    }
    for (std::size_t kind = 0; kind < kinds; ++kind) {
        const unsigned mask = 1U << kind;
        counts_[kind] += ((wanted & mask) != 0 ? 1U : 0U) - ((caller.kinds & mask) != 0 ? 1U : 0U);
    }
    caller.kinds = wanted;
    if (wanted == 0) {
        caller.missed = 0;
        std::erase(subscribers_, &caller);
    }
    if (had_slices != wants(Kind::slice)) {
        want_slices_(!had_slices);
    }
    return true;
}

template <class Write>
bool Subscribers::signal(Caller& caller, const char* member, Write write) {
    if (!callers_.has_room(caller)) {
        return false;
    }
    sd_bus_message* message = nullptr;
    if (::sd_bus_message_new_signal(callers_.bus(), &message, bus_path, manager_interface, member) <
        0) {
        return false;
    }
    const BusMessage owner(message);
    BusWriter out(message);
    write(out);
    return out.result() >= 0 &&
           ::sd_bus_message_set_destination(message, caller.name().c_str()) >= 0 &&
           callers_.send(caller, message, out.size() + signal_overhead) >= 0;
}

void Subscribers::tell_missed(Caller& caller) {
    if (caller.missed > 0 &&
        signal(caller, "EventsLost", [&](BusWriter& out) { out.u64(caller.missed); })) {
        caller.missed = 0;
    }
}

void Subscribers::report(const Occurrence& occurrence) {
    for (Caller* const caller : subscribers_) {
        if ((caller->kinds & bit(occurrence.kind)) == 0) {
            continue;
        }
        // First what is missing before this one.
        tell_missed(*caller);
        if (caller->missed > 0 ||
            !signal(*caller, "Event", [&](BusWriter& out) { write_event(out, occurrence); })) {
            ++caller->missed;
        }
    }
}

void Subscribers::report_lost(std::uint64_t count) {
    for (Caller* const caller : subscribers_) {
        caller->missed += count;
        tell_missed(*caller);
    }
}

} // namespace rseq::daemon
