// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include "core/glob.h"
#include "proc/cgroup.h"

#include <string>

namespace rseq::proc {

/// Names one unit or many: a Glob over the unit's name or its display name. A name without wildcard
/// and suffix means a service, as for systemctl.
class UnitPattern {
public:
    explicit UnitPattern(std::string pattern);

    [[nodiscard]] bool matches(const Unit& unit) const {
        return matches(unit.name, unit.display_name());
    }
    /// The same for a caller that keeps both names of a unit. Empty names are no unit and never
    /// match.
    [[nodiscard]] bool matches(const std::string& name, const std::string& display_name) const;

    /// The pattern as it was given.
    [[nodiscard]] const std::string& pattern() const { return glob_.pattern(); }
    /// True if it can name only one unit, which may not exist.
    [[nodiscard]] bool is_literal() const { return glob_.is_literal(); }
    friend bool operator==(const UnitPattern&, const UnitPattern&) = default;

private:
    Glob glob_;
    /// The pattern with `.service` behind it; empty where a service cannot be meant.
    std::string service_;
};

} // namespace rseq::proc
