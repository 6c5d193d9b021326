// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/bus_unread.h"

#include "daemon/bus_names.h"
#include "daemon/log.h"

#include <algorithm>
#include <ctime>
#include <string_view>
#include <vector>

namespace rseq::daemon {

namespace {

constexpr const char* stats_interface = "org.freedesktop.DBus.Debug.Stats";

constexpr std::uint64_t first_interval_usec = 100'000;
constexpr std::uint64_t last_interval_usec = 60'000'000;
/// Signals to everybody are not looked after before they are that many bytes.
constexpr std::size_t broadcast_unchecked = 1U << 20U;

std::size_t minus(std::size_t value, std::size_t less) {
    return value > less ? value - less : 0;
}

} // namespace

bool UnreadBytes::is_below(const Account& account, std::size_t times) const {
    if (account.unread_ >= times * limits_.connection_bytes) {
        return false;
    }
    if (!account.uid_ || account.is_root()) {
        return true;
    }
    const auto user = of_user_.find(*account.uid_);
    return of_users_ < times * limits_.total_bytes &&
           (user == of_user_.end() || user->second < times * limits_.user_bytes);
}

void UnreadBytes::charge(Account& account, std::size_t bytes) {
    account.owner_ = this;
    account.unread_ += bytes;
    account.fresh_ += bytes;
    of_all_ += bytes;
    if (account.uid_ && !account.is_root()) {
        of_user_[*account.uid_] += bytes;
        of_users_ += bytes;
    }
    accounts_.insert(&account);
    moved_ = true;
    arm(first_interval_usec);
}

void UnreadBytes::set_user(Account& account, uid_t uid) {
    account.uid_ = uid;
    if (!account.is_root()) {
        of_user_[uid] += account.unread_;
        of_users_ += account.unread_;
    }
}

void UnreadBytes::discharge(Account& account, std::size_t bytes) {
    account.unread_ -= bytes;
    of_all_ -= bytes;
    if (account.uid_ && !account.is_root()) {
        of_users_ -= bytes;
        const auto user = of_user_.find(*account.uid_);
        if (user != of_user_.end() && (user->second -= bytes) == 0) {
            of_user_.erase(user);
        }
    }
    if (account.unread_ == 0) {
        accounts_.erase(&account);
    }
}

void UnreadBytes::forget(Account& account) {
    discharge(account, account.unread_);
    account.query_.reset();
}

bool UnreadBytes::admit_broadcast(std::size_t size) {
    if (broadcast_ >= limits_.broadcast_bytes) {
        return false;
    }
    broadcast_ += size;
    broadcast_fresh_ += size;
    if (broadcast_ >= broadcast_unchecked) {
        moved_ = true;
        arm(first_interval_usec);
    }
    return true;
}

void UnreadBytes::arm(std::uint64_t usec) {
    if (interval_usec_ != 0 && interval_usec_ <= usec) {
        return;
    }
    int result = 0;
    if (timer_ == nullptr) {
        sd_event_source* timer = nullptr;
        result = ::sd_event_add_time_relative(loop_, &timer, CLOCK_MONOTONIC, usec, usec / 4,
                                              on_tick, this);
        timer_.reset(timer);
    } else {
        result = ::sd_event_source_set_time_relative(timer_.get(), usec);
        if (result >= 0) {
            result = ::sd_event_source_set_enabled(timer_.get(), SD_EVENT_ONESHOT);
        }
    }
    interval_usec_ = result < 0 ? 0 : usec;
}

int UnreadBytes::on_tick(sd_event_source* /*source*/, std::uint64_t /*usec*/, void* self) noexcept {
    static_cast<UnreadBytes*>(self)->tick();
    return 0;
}

void UnreadBytes::tick() {
    const std::uint64_t last = std::exchange(interval_usec_, 0);
    if (!has_stats_) {
        trust_all();
        return;
    }
    for (Account* const account : accounts_) {
        if (account->query_ == nullptr) {
            ask(account->query_, account->name_.c_str(), on_stats, account);
            account->fresh_ = 0;
        }
    }
    const char* own_name = nullptr;
    const bool broadcasts = broadcast_ >= broadcast_unchecked;
    if (broadcasts && broadcast_query_ == nullptr &&
        ::sd_bus_get_unique_name(bus_, &own_name) >= 0) {
        ask(broadcast_query_, own_name, on_broadcast_stats, this);
        broadcast_fresh_ = 0;
    }
    if (broadcasts || !accounts_.empty()) {
        arm(std::exchange(moved_, false) ? first_interval_usec
                                         : std::min(last * 2, last_interval_usec));
    }
}

void UnreadBytes::trust_all() {
    broadcast_ = 0;
    // What is told then may be charged again.
    const std::vector<Account*> accounts(accounts_.begin(), accounts_.end());
    for (Account* const account : accounts) {
        discharge(*account, account->unread_);
        hooks_.has_read(*account);
    }
}

void UnreadBytes::ask(BusSlot& query, const char* name, sd_bus_message_handler_t handler,
                      void* userdata) {
    sd_bus_slot* slot = nullptr;
    if (::sd_bus_call_method_async(bus_, &slot, driver_name, driver_path, stats_interface,
                                   "GetConnectionStats", handler, userdata, "s", name) >= 0) {
        query.reset(slot);
    }
}

int UnreadBytes::on_stats(sd_bus_message* reply, void* userdata, sd_bus_error* /*error*/) noexcept {
    auto& account = *static_cast<Account*>(userdata);
    const BusSlot done = std::move(account.query_);
    account.owner_->take_answer(account, reply);
    return 0;
}

void UnreadBytes::take_answer(Account& account, sd_bus_message* reply) {
    if (::sd_bus_message_is_method_error(reply, SD_BUS_ERROR_NAME_HAS_NO_OWNER) > 0) {
        hooks_.gone(account);
        return;
    }
    const auto pending = read_stats(reply, "OutgoingBytes");
    if (!pending) {
        return;
    }
    const std::size_t read = minus(account.unread_, *pending + account.fresh_);
    if (read > 0) {
        moved_ = true;
        discharge(account, read);
        hooks_.has_read(account);
    }
}

int UnreadBytes::on_broadcast_stats(sd_bus_message* reply, void* userdata,
                                    sd_bus_error* /*error*/) noexcept {
    auto& self = *static_cast<UnreadBytes*>(userdata);
    const BusSlot done = std::move(self.broadcast_query_);
    if (const auto pending = self.read_stats(reply, "IncomingBytes")) {
        // What is not for one connection is for everybody.
        self.broadcast_ =
            std::min(self.broadcast_, minus(*pending, self.of_all_) + self.broadcast_fresh_);
    }
    return 0;
}

std::optional<std::size_t> UnreadBytes::read_stats(sd_bus_message* reply, const char* key) {
    if (const sd_bus_error* const error = ::sd_bus_message_get_error(reply); error != nullptr) {
        if (::sd_bus_error_has_name(error, SD_BUS_ERROR_NO_REPLY) > 0 ||
            ::sd_bus_error_has_name(error, SD_BUS_ERROR_TIMEOUT) > 0) {
            hooks_.stuck();
        } else if (std::exchange(has_stats_, false)) {
            interval_usec_ = 0;
            arm(first_interval_usec);
            log::message(log::Level::info,
                         "D-Bus: this bus does not tell what its clients have not read");
        }
        return std::nullopt;
    }
    if (::sd_bus_message_enter_container(reply, 'a', "{sv}") <= 0) {
        return std::nullopt;
    }
    while (::sd_bus_message_enter_container(reply, 'e', "sv") > 0) {
        const char* name = nullptr;
        if (::sd_bus_message_read(reply, "s", &name) <= 0) {
            break;
        }
        if (std::string_view(name) == key) {
            std::uint32_t value = 0;
            return ::sd_bus_message_read(reply, "v", "u", &value) > 0
                       ? std::optional<std::size_t>(value)
                       : std::nullopt;
        }
        ::sd_bus_message_skip(reply, "v");
        ::sd_bus_message_exit_container(reply);
    }
    return std::nullopt;
}

} // namespace rseq::daemon
