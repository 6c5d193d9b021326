// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include "cli/client.h"
#include "cli/output.h"
#include "cli/status_view.h"
#include "cli/verb.h"
#include "core/result.h"

#include <optional>
#include <string>
#include <string_view>

/// What the verbs of `rseqctl policy` share.
namespace rseq::cli {

// Each adds its verb to `policy`.
Verb add_policy_list(CLI::App& policy);
Verb add_policy_show(CLI::App& policy);
Verb add_policy_check(CLI::App& policy);
Verb add_policy_set(CLI::App& policy);
Verb add_policy_unset(CLI::App& policy);
Verb add_policy_apply(CLI::App& policy);

/// The daemon, or nothing if nobody is there on this machine. `reading`: another failure on this
/// machine is said on stderr and means nothing too.
Result<std::optional<Client>> reach(const std::string& host, bool reading);

[[nodiscard]] Origin origin_of(const Client& client, const std::string& host);
[[nodiscard]] Origin origin_here();

/// Prints each line of a text as an error of its own.
void print_errors(std::string_view text);

} // namespace rseq::cli
