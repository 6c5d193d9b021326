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
Verb add_policy_list(Parser policy);
Verb add_policy_show(Parser policy);
Verb add_policy_check(Parser policy);
Verb add_policy_set(Parser policy);
Verb add_policy_unset(Parser policy);
Verb add_policy_apply(Parser policy);

[[nodiscard]] Origin origin_of(const Client& client, const std::string& host);
[[nodiscard]] Origin origin_here();

} // namespace rseq::cli
