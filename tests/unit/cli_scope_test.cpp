// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/scope.h"
#include "core/escape.h"

#include <gtest/gtest.h>

#include <string>

using namespace rseq;
using namespace rseq::cli;

TEST(ScopeDescription, IsTheCommandAsItMayBePrinted) {
    EXPECT_EQ(describe_scope({"echo", "größe", "\x1b[31m"}), "rseqctl run -- echo größe \\x1b[31m");
}

TEST(ScopeDescription, OfALongCommandIsItsBeginning) {
    const std::string description = describe_scope({std::string(1000, 'x')});
    EXPECT_EQ(description, "rseqctl run -- " + std::string(185, 'x'));
}

// D-Bus refuses what is not.
TEST(ScopeDescription, IsValidUtf8WhereverItEnds) {
    for (const std::string letter : {"ä", "名", "😀"}) {
        std::string word;
        for (int i = 0; i < 100; ++i) {
            word += letter;
        }
        for (std::size_t before = 0; before < letter.size(); ++before) {
            const std::string description = describe_scope({std::string(before, 'x') + word});
            EXPECT_EQ(replace_invalid_utf8(description), description);
        }
    }
}

TEST(ScopeDescription, HasNoCodePointThatDBusLibrariesRefuse) {
    const std::string description = describe_scope({"\xef\xbf\xbe"}); // U+FFFE
    EXPECT_EQ(replace_invalid_utf8(description), description);
}
