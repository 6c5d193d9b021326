// SPDX-License-Identifier: GPL-2.0-or-later
#include "core/violation.h"

#include <gtest/gtest.h>

namespace rseq {

namespace {

TEST(DescribeViolation, AFieldThatWasOverwrittenIsShownWithBothValues) {
    EXPECT_EQ(describe_violation("cpu_id_start", 3, 0x80000003),
              "cpu_id_start overwritten (expected 3, found 0x80000003)");
    EXPECT_EQ(describe_violation("mm_cid", 0, 65535),
              "mm_cid overwritten (expected 0, found 65535)");
}

TEST(DescribeViolation, AnAddressHasNoExpectedValue) {
    EXPECT_EQ(describe_violation("cs_address", 0, 0xffff800000000000),
              "rseq_cs does not point into user space (0xffff800000000000)");
    EXPECT_EQ(describe_violation("fault", 0, 0x7f0000001000),
              "rseq area cannot be accessed (0x7f0000001000)");
}

TEST(DescribeViolation, ASignatureIsShownWithBothValues) {
    EXPECT_EQ(describe_violation("signature", 0x53053053, 0x11223344),
              "wrong signature before the abort address (expected 0x53053053, found 0x11223344)");
}

TEST(DescribeViolation, AReasonOfALaterKernelIsNamedAsItIs) {
    EXPECT_EQ(describe_violation("numa_hint", 1, 2), "numa_hint (expected 1, found 2)");
}

TEST(DescribeViolation, AReasonThatIsNotAWordIsEscaped) {
    EXPECT_EQ(describe_violation("a\033[1m\n", 1, 2), "a\\x1b[1m\\x0a (expected 1, found 2)");
}

} // namespace

} // namespace rseq
