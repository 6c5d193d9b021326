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

[[nodiscard]] Origin origin_of(const Client& client, const std::string& host);
[[nodiscard]] Origin origin_here();

} // namespace rseq::cli
