// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <systemd/sd-bus.h>

#include <exception>
#include <memory>

/// Owners of what sd-bus counts references of, and the bridge from its callbacks to members.
namespace rseq::daemon {

struct UnrefBusSlot {
    void operator()(sd_bus_slot* slot) const noexcept { ::sd_bus_slot_unref(slot); }
};
/// A match, a filter, an object or a call under way: ended with its owner.
using BusSlot = std::unique_ptr<sd_bus_slot, UnrefBusSlot>;

struct UnrefBusMessage {
    void operator()(sd_bus_message* message) const noexcept { ::sd_bus_message_unref(message); }
};
using BusMessage = std::unique_ptr<sd_bus_message, UnrefBusMessage>;

/// One more reference to a message that sd-bus owns.
[[nodiscard]] inline BusMessage keep(sd_bus_message* message) noexcept {
    return BusMessage(::sd_bus_message_ref(message));
}

struct CloseBus {
    void operator()(sd_bus* bus) const noexcept { ::sd_bus_close_unref(bus); }
};
using BusConnection = std::unique_ptr<sd_bus, CloseBus>;

/// Makes a callback for sd-bus out of `int Class::member(sd_bus_message*, sd_bus_error*)`.
template <auto member>
struct BusCallback;

template <class Class, int (Class::*member)(sd_bus_message*, sd_bus_error*)>
struct BusCallback<member> {
    static int call(sd_bus_message* message, void* self, sd_bus_error* error) noexcept {
        return (static_cast<Class*>(self)->*member)(message, error);
    }
};

/// The same for the getter of a property: `void Class::member(BusWriter&) const` writes its value.
template <auto member>
inline constexpr auto bus_callback = &BusCallback<member>::call;

} // namespace rseq::daemon
