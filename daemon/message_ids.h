// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <string_view>

/// The MESSAGE_ID of each kind of entry in the journal. systemd/rseq-compat.catalog explains each
/// of them; a test holds the two together. An ID is never given to another kind.
namespace rseq::daemon::message_id {

/// A process is killed for its use of rseq.
inline constexpr std::string_view violation = "2c025dcc199641cc9095f8ebfeec81fd";
/// The kernel refused a registration.
inline constexpr std::string_view refusal = "b5775ffab88145f2b0303182b175e27f";
/// An execve(2) latched another policy than `auto allow`.
inline constexpr std::string_view policy = "25bc782b19d04593b3ec7524c5945ab3";
/// Trace events were overwritten before they were read.
inline constexpr std::string_view events_lost = "faf5a96e873847b39bda696d61bacb1c";
/// The daemon is at work, on a kernel of this class.
inline constexpr std::string_view started = "98f7d7faf43f4ae5919d2a92a15d2bc9";
/// A reload found errors, and the configuration that was read before stays.
inline constexpr std::string_view configuration_refused = "5f7134ba271d4bf28a692a9deee96521";
/// A process is not in the state that a rule asks for.
inline constexpr std::string_view not_compliant = "c51343122e8f4be091de3ae3fe2ba89b";
/// The rate limit held entries back.
inline constexpr std::string_view suppressed = "1fe71df44f394eb1ab61cbd019279984";

} // namespace rseq::daemon::message_id
