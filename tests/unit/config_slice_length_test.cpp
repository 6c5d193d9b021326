// SPDX-License-Identifier: GPL-2.0-or-later
#include "config/load.h"
#include "config/write.h"
#include "core/file.h"
#include "core/slice_length.h"
#include "tmp_tree.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <filesystem>
#include <optional>
#include <string>

using namespace rseq;
using namespace rseq::config;
using rseq::test::TmpTree;
using testing::EndsWith;
using testing::HasSubstr;

namespace {

constexpr const char* etc = "etc/rseq-compat/rseq-compatd.d/";
constexpr const char* run = "run/rseq-compat/rseq-compatd.d/";
constexpr const char* permanent_name = "60-slice-length.yaml";
constexpr const char* runtime_name = "61-slice-length-until-boot.yaml";

class SliceLength : public testing::Test {
protected:
    TmpTree tree;

    SliceLength() { tree.file("kernel", "30000\n"); }

    Result<std::string> set(std::uint32_t length_ns, Lifetime lifetime = Lifetime::permanent) {
        // The kernel's file never becomes shorter.
        return set_slice_length(tree.path(""), length_ns, lifetime, tree.path("kernel"));
    }
    std::string in_kernel() {
        return read_file(tree.open().get(), "kernel", 100).value_or("none").substr(0, 5);
    }
    std::optional<std::uint32_t> in_settings() {
        const auto loaded = load(tree.path(""));
        EXPECT_TRUE(loaded);
        return loaded ? loaded->settings.slice_length_ns : std::nullopt;
    }
    bool is_there(const std::string& path) { return std::filesystem::exists(tree.path(path)); }
    /// That this is the outcome, and that nothing has changed.
    void expect_refusal(const Result<std::string>& done, int code, const std::string& text) {
        ASSERT_FALSE(done);
        EXPECT_EQ(done.error().code, code);
        EXPECT_THAT(done.error().context, HasSubstr(text));
        EXPECT_EQ(in_kernel(), "30000");
    }
};

TEST_F(SliceLength, IsANumberOrAnError) {
    tree.file("wrong", "many\n");
    EXPECT_EQ(read_slice_length(tree.path("kernel")), 30000U);
    EXPECT_FALSE(read_slice_length(tree.path("wrong")));
    EXPECT_FALSE(read_slice_length(tree.path("absent")));
}

TEST_F(SliceLength, IsSetInTheKernelAndKept) {
    EXPECT_THAT(set(20000).value(), EndsWith(std::string("/") + etc + permanent_name));
    EXPECT_EQ(in_kernel(), "20000");
    EXPECT_EQ(in_settings(), 20000U);
    ASSERT_TRUE(set(10000));
    EXPECT_EQ(in_settings(), 10000U);
}

TEST_F(SliceLength, UntilBootHidesTheOtherUntilThatIsSetAgain) {
    ASSERT_TRUE(set(20000));
    EXPECT_THAT(set(40000, Lifetime::runtime).value(),
                EndsWith(std::string("/") + run + runtime_name));
    EXPECT_EQ(in_settings(), 40000U);
    EXPECT_EQ(in_kernel(), "40000");
    ASSERT_TRUE(set(10000));
    EXPECT_EQ(in_settings(), 10000U);
    EXPECT_FALSE(is_there(std::string(run) + runtime_name));
}

TEST_F(SliceLength, OtherSettingsStay) {
    tree.file("etc/rseq-compat/rseq-compatd.yaml", "version: 1\nslice: {length_ns: 50000}\n");
    tree.file(std::string(etc) + "50-mine.yaml", "version: 1\ntrace: {buffer_kib: 64}\n");
    ASSERT_TRUE(set(20000));
    EXPECT_EQ(in_settings(), 20000U);
    EXPECT_EQ(load(tree.path(""))->settings.trace_buffer_kib, 64U);
}

TEST_F(SliceLength, AFileThatIsReadLaterIsNamed) {
    tree.file(std::string(etc) + "90-mine.yaml", "version: 1\nslice: {length_ns: 30000}\n");
    for (const auto lifetime : {Lifetime::permanent, Lifetime::runtime}) {
        expect_refusal(set(20000, lifetime), EEXIST, "90-mine.yaml is read later");
    }
    tree.file(std::string(etc) + "90-mine.yaml", "version: 1\nlog: {level: debug}\n");
    EXPECT_TRUE(set(20000));
}

TEST_F(SliceLength, OneInEtcThatHidesTheOneInRunIsNamed) {
    tree.file(std::string(etc) + runtime_name, "");
    expect_refusal(set(20000, Lifetime::runtime), EEXIST, "would hide");
}

TEST_F(SliceLength, AFileThatHasMoreInItIsNotLost) {
    const std::string text = "version: 1\nslice: {length_ns: 30000}\nlog: {level: debug}\n";
    tree.file(std::string(etc) + permanent_name, text);
    expect_refusal(set(20000), EEXIST, "has other settings");
    EXPECT_EQ(read_file(tree.open().get(), (std::string(etc) + permanent_name).c_str(), 1000),
              text);
}

TEST_F(SliceLength, AConfigurationWithErrorsIsNotAddedTo) {
    tree.file(std::string(etc) + "10-wrong.yaml", "version: 1\nlog: {level: absent}\n");
    expect_refusal(set(20000), EINVAL, "10-wrong.yaml:2:");
    EXPECT_FALSE(is_there(std::string(etc) + permanent_name));
}

TEST_F(SliceLength, AKernelWithoutSlicesHasNone) {
    std::filesystem::remove(tree.path("kernel"));
    const auto done = set(20000);
    ASSERT_FALSE(done);
    EXPECT_EQ(done.error().code, ENODEV);
    EXPECT_THAT(done.error().context, HasSubstr("no time slice extensions"));
    EXPECT_FALSE(is_there(std::string(etc) + permanent_name));
}

TEST_F(SliceLength, IsTakenBackInTheKernelIfItCannotBeKept) {
    const pid_t child = ::fork();
    if (child == 0) {
        const rlimit room_for_the_kernel_alone{10, 10};
        ::signal(SIGXFSZ, SIG_IGN);
        ::setrlimit(RLIMIT_FSIZE, &room_for_the_kernel_alone);
        const auto done = set(20000);
        ::_exit(done ? 0 : done.error().code);
    }
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_EQ(WEXITSTATUS(status), EFBIG);
    EXPECT_EQ(in_kernel(), "30000");
    EXPECT_EQ(in_settings(), std::nullopt);
}

} // namespace
