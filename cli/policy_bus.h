// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include "cli/client.h"
#include "config/write.h"
#include "core/result.h"
#include "enforce/report.h"

#include <systemd/sd-bus.h>

#include <string>
#include <vector>

/// Policies as the daemon has them (docs/DBUS.md). Replies are refused as bus_decode.h says; words
/// that are not known are kept, because they are only shown.
namespace rseq::cli {

Result<std::vector<enforce::RuleReport>> list_policies(Client& client);
/// `target`: name of a unit, or path of a cgroup.
Result<enforce::TargetReport> show_policy(Client& client, const std::string& target);

// These fail as Client::change().
Result<enforce::ChangeReport> apply_policies(Client& client, bool dry_run);
Result<enforce::ChangeReport> set_policy(Client& client, const std::string& unit,
                                         const config::UnitPolicy& policy,
                                         config::Lifetime lifetime);
Result<enforce::ChangeReport> unset_policy(Client& client, const std::string& unit);

/// The replies of ListPolicies, ShowPolicy, and of the others.
Result<std::vector<enforce::RuleReport>> decode_policies(sd_bus_message* reply);
Result<enforce::TargetReport> decode_policy(sd_bus_message* reply);
Result<enforce::ChangeReport> decode_change(sd_bus_message* reply);

} // namespace rseq::cli
