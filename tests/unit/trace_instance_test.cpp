// SPDX-License-Identifier: GPL-2.0-or-later
// What needs no tracefs: tests/live has the rest.
#include "tmp_tree.h"
#include "trace/instance.h"
#include "trace/reader.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <filesystem>
#include <string>

namespace rseq::test {
namespace {

using trace::Instance;
using trace::InstanceOptions;

TEST(Instance, NeedsATracefs) {
    const TmpTree tree;
    const auto instance = Instance::open({.tracefs = tree.path("nowhere")});
    ASSERT_FALSE(instance);
    EXPECT_EQ(instance.error().code, ENOENT);
    EXPECT_NE(instance.error().message().find("nowhere/instances"), std::string::npos);
}

// On tracefs the kernel would have filled the directory.
TEST(Instance, LeavesNothingBehindIfItCannotBeSetUp) {
    TmpTree tree;
    tree.directory("instances");
    const auto instance = Instance::open({.tracefs = tree.path(), .name = "mine"});
    ASSERT_FALSE(instance);
    EXPECT_EQ(instance.error().code, ENOENT);
    EXPECT_NE(instance.error().message().find("instances/mine/tracing_on"), std::string::npos);
    EXPECT_FALSE(std::filesystem::exists(tree.path("instances/mine")));
}

TEST(Instance, DoesNotTouchOneThatCannotBeRemoved) {
    TmpTree tree;
    tree.file("instances/mine/tracing_on", "1");
    const auto instance = Instance::open({.tracefs = tree.path(), .name = "mine"});
    ASSERT_FALSE(instance);
    EXPECT_TRUE(std::filesystem::exists(tree.path("instances/mine/tracing_on")));
}

TEST(KnownEvents, NoneIsOnAHotPath) {
    for (const trace::KnownEvent& event : trace::known_events()) {
        EXPECT_NE(std::string(event.name), "rseq_update");
        EXPECT_NE(std::string(event.name), "rseq_ip_fixup");
    }
}

} // namespace
} // namespace rseq::test
