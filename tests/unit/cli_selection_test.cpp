// SPDX-License-Identifier: GPL-2.0-or-later
// What is said of a process that was named and cannot be read.
#include "cli/selection.h"
#include "tmp_tree.h"

#include <gtest/gtest.h>

#include <string>

using namespace rseq;
using namespace rseq::cli;
using rseq::test::TmpTree;

namespace {

Exit status_of(const TmpTree& tree) {
    const auto checked = check_process(proc::ProcReader(tree.open()), 7);
    return checked ? Exit::success : not_found_or_failure(checked.error());
}

} // namespace

TEST(StatusOfAProcess, ThatIsNotThereOrAThreadIsNotFound) {
    TmpTree tree;
    EXPECT_EQ(status_of(tree), Exit::not_found);
    tree.directory("7");
    EXPECT_EQ(status_of(tree), Exit::not_found);
    tree.file("7/status", "Name:\ta\nTgid:\t6\n");
    EXPECT_EQ(status_of(tree), Exit::not_found);
}

TEST(StatusOfAProcess, ThatCannotBeReadIsAFailure) {
    TmpTree tree;
    tree.file("7/status", std::string(2UL << 20U, 'x'));
    EXPECT_EQ(status_of(tree), Exit::failure);
    tree.file("7/status", "nonsense");
    EXPECT_EQ(status_of(tree), Exit::failure);
}
