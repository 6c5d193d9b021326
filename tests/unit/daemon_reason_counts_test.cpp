// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/reason_counts.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <string>

using rseq::daemon::ReasonCounts;

namespace {

TEST(ReasonCounts, CountsEachReason) {
    ReasonCounts counts;
    counts.add("EBUSY");
    counts.add("EINVAL");
    counts.add("EBUSY");
    EXPECT_EQ(counts.all(), (ReasonCounts::Map{{"EBUSY", 2}, {"EINVAL", 1}}));
}

TEST(ReasonCounts, AreBoundedAndLoseNone) {
    ReasonCounts counts;
    for (int number = 0; number < 1000; ++number) {
        counts.add(std::to_string(number));
        counts.add("7");
    }
    EXPECT_EQ(counts.all().size(), ReasonCounts::most + 1);
    EXPECT_EQ(counts.all().find("7")->second, 1001U);
    std::uint64_t all = 0;
    for (const auto& [reason, count] : counts.all()) {
        all += count;
    }
    EXPECT_EQ(all, 2000U);
}

} // namespace
