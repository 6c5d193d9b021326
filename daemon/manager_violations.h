// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include "daemon/occurrence.h"
#include "snapshot/snapshot.h"

#include <deque>

namespace rseq::daemon {

/// Fills in what is not known of a victim, and nothing else, from `seen`, which has to be the same
/// process.
void complete(Occurrence& victim, const snapshot::Process& seen);

/// Adds one to those that are kept for ListViolations(), oldest first. Of more than violations_kept
/// the oldest of the party goes that has the most (party_of()), so that nobody can push out those
/// of others.
void keep_violation(std::deque<Occurrence>& kept, Occurrence violation);

} // namespace rseq::daemon
