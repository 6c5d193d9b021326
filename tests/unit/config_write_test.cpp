// SPDX-License-Identifier: GPL-2.0-or-later
#include "config/load.h"
#include "config/write.h"
#include "tmp_tree.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cerrno>
#include <csignal>
#include <filesystem>
#include <string>
#include <vector>

using namespace rseq;
using namespace rseq::config;
using rseq::test::TmpTree;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

namespace {

constexpr const char* etc = "etc/rseq-compat/policy.d/";
constexpr const char* run = "run/rseq-compat/policy.d/";

class ConfigWrite : public testing::Test {
protected:
    TmpTree tree;

    [[nodiscard]] std::string root() const { return tree.path(""); }
    Result<std::string> set(const std::string& unit, const UnitPolicy& policy,
                            Lifetime lifetime = Lifetime::permanent) {
        return set_policy(root(), unit, policy, lifetime);
    }
    int error_of(const std::string& unit, const UnitPolicy& policy,
                 Lifetime lifetime = Lifetime::permanent) {
        const auto done = set(unit, policy, lifetime);
        return done ? 0 : done.error().code;
    }
    std::string content(const std::string& name) {
        return read_file(tree.open().get(), name.c_str(), 10000).value_or("none");
    }
    std::vector<policy::Rule> rules() {
        const auto loaded = load(root());
        EXPECT_TRUE(loaded);
        return loaded ? loaded->rules : std::vector<policy::Rule>();
    }
    /// All files below the root, without folders.
    std::vector<std::string> files() {
        std::vector<std::string> names;
        for (const auto& entry : std::filesystem::recursive_directory_iterator(tree.path())) {
            if (entry.is_regular_file() && entry.path().filename() != ".lock") {
                names.push_back(entry.path().filename());
            }
        }
        return names;
    }
    void rule(const std::string& path, const std::string& name, const std::string& rest) {
        tree.file(path, "version: 1\nrules:\n  - name: " + name + "\n" + rest);
    }
};

TEST_F(ConfigWrite, WhatIsWrittenIsReadBack) {
    const UnitPolicy all{PolicyMode::legacy, PolicySlice::deny, false, Mode::v1};
    const auto file = set("mongod", all);
    ASSERT_TRUE(file);
    EXPECT_THAT(*file, testing::EndsWith("/etc/rseq-compat/policy.d/60-mongod.service.yaml"));
    ASSERT_EQ(rules().size(), 1U);
    const policy::Rule found = rules()[0];
    EXPECT_EQ(found.match, policy::Match{.unit = proc::UnitPattern("mongod.service")});
    EXPECT_EQ((UnitPolicy{found.mode, found.slice, found.glibc, found.expect}), all);
    EXPECT_EQ(found.name, "set-mongod.service");
}

TEST_F(ConfigWrite, EveryWordAndEveryNameComesBack) {
    for (const char* const unit :
         {"x.service", "x@1.service", "a-b@*.service", "system.slice", "docker/0123456789ab",
          "user@1000/app.service", "dev-disk\\x2d1.service", "a:b_c\\d@*.service"}) {
        for (const UnitPolicy& policy :
             {UnitPolicy{.mode = PolicyMode::automatic}, UnitPolicy{.mode = PolicyMode::off},
              UnitPolicy{.slice = PolicySlice::allow}, UnitPolicy{.glibc = true},
              UnitPolicy{.expect = Mode::none}, UnitPolicy{.expect = Mode::v2}}) {
            const auto parsed = parse_policy("file", policy_file_text(unit, "name", policy));
            ASSERT_TRUE(parsed) << policy_file_text(unit, "name", policy);
            const policy::Rule& found = parsed->front();
            EXPECT_EQ(found.match.unit->pattern(), unit);
            EXPECT_EQ((UnitPolicy{found.mode, found.slice, found.glibc, found.expect}), policy);
        }
    }
}

TEST_F(ConfigWrite, APersonIsToldWhatTheFileIs) {
    ASSERT_TRUE(set("x", {.mode = PolicyMode::legacy}));
    const std::string text = content(std::string(etc) + "60-x.service.yaml");
    EXPECT_TRUE(text.starts_with("#"));
    EXPECT_THAT(text, HasSubstr("rseqctl policy unset x.service"));
    EXPECT_THAT(text, HasSubstr("    match: { unit: \"x.service\" }\n    mode: legacy\n"));
}

TEST_F(ConfigWrite, WhatIsNotNamedStaysAsItWasSet) {
    ASSERT_TRUE(set("x", {.mode = PolicyMode::legacy, .expect = Mode::v1}));
    ASSERT_TRUE(set("x.service", {.slice = PolicySlice::deny}));
    ASSERT_TRUE(set("x", {.mode = PolicyMode::automatic}));
    ASSERT_EQ(rules().size(), 1U);
    EXPECT_EQ(rules()[0].mode, PolicyMode::automatic);
    EXPECT_EQ(rules()[0].slice, PolicySlice::deny);
    EXPECT_EQ(rules()[0].expect, Mode::v1);
}

TEST_F(ConfigWrite, WhatAPersonRenamedOrChangedIsKept) {
    rule(std::string(etc) + "60-x.service.yaml", "my-name",
         "    match: { unit: x.service }\n    glibc: off\n");
    ASSERT_TRUE(set("x", {.mode = PolicyMode::legacy}));
    EXPECT_EQ(rules()[0].name, "my-name");
    EXPECT_EQ(rules()[0].glibc, false);
}

TEST_F(ConfigWrite, AFileThatHasBecomeMoreIsLeftToAnEditor) {
    const std::string file = std::string(etc) + "60-x.service.yaml";
    for (const char* const rest : {"    match: { unit: x.service, uid: 1 }\n    expect: v1\n",
                                   "    match: { unit: y.service }\n    mode: legacy\n",
                                   "    match: { unit: x.service }\n    mode: legacy\n"
                                   "  - name: second\n    match: { unit: y }\n    mode: off\n",
                                   "    match: { unit: x.service }\n    mode: nonsense\n"}) {
        rule(file, "first", rest);
        const std::string before = content(file);
        EXPECT_EQ(error_of("x", {.mode = PolicyMode::off}), EEXIST) << rest;
        EXPECT_EQ(unset_policy(root(), "x").error().code, EEXIST) << rest;
        EXPECT_EQ(content(file), before);
    }
}

TEST_F(ConfigWrite, ARuntimePolicyLivesInRun) {
    ASSERT_TRUE(set("x", {.mode = PolicyMode::legacy}, Lifetime::runtime));
    EXPECT_NE(content(std::string(run) + "60-x.service.yaml"), "none");
    EXPECT_EQ(rules().size(), 1U);
    ASSERT_TRUE(set("x", {.mode = PolicyMode::off}));
    EXPECT_EQ(rules().size(), 1U);
    EXPECT_EQ(rules()[0].mode, PolicyMode::off);
    // The one in /etc hides it now.
    EXPECT_EQ(error_of("x", {.mode = PolicyMode::legacy}, Lifetime::runtime), EEXIST);
}

TEST_F(ConfigWrite, UnsetRemovesBothAndNothingElse) {
    ASSERT_TRUE(set("x", {.mode = PolicyMode::legacy}, Lifetime::runtime));
    ASSERT_TRUE(set("x", {.mode = PolicyMode::off}));
    ASSERT_TRUE(set("y", {.mode = PolicyMode::off}));
    const auto removed = unset_policy(root(), "x");
    ASSERT_TRUE(removed);
    EXPECT_EQ(removed->size(), 2U);
    EXPECT_THAT(files(), ElementsAre("60-y.service.yaml"));
}

TEST_F(ConfigWrite, UnsetOfNothingNamesTheRuleThatThereIs) {
    EXPECT_EQ(unset_policy(root(), "x").error().code, ENOENT);
    rule(std::string(etc) + "10-x.yaml", "theirs", "    match: { unit: x }\n    mode: off\n");
    const auto done = unset_policy(root(), "x");
    ASSERT_FALSE(done);
    EXPECT_EQ(done.error().code, ENOENT);
    EXPECT_THAT(done.error().context, HasSubstr("theirs"));
    EXPECT_THAT(done.error().context, HasSubstr("10-x.yaml:3:5"));
}

TEST_F(ConfigWrite, ARuleThatComesFirstIsNamed) {
    rule(std::string(etc) + "10-x.yaml", "theirs", "    match: { unit: \"x*\" }\n    mode: off\n");
    const auto done = set("x", {.mode = PolicyMode::legacy});
    ASSERT_FALSE(done);
    EXPECT_EQ(done.error().code, EEXIST);
    EXPECT_THAT(done.error().context, HasSubstr("theirs"));
    EXPECT_THAT(files(), ElementsAre("10-x.yaml"));
    rule(std::string(etc) + "10-x.yaml", "theirs", "    match: { unit: y }\n    mode: off\n");
    rule(std::string(etc) + "70-x.yaml", "later", "    match: { unit: x }\n    mode: off\n");
    EXPECT_TRUE(set("x", {.mode = PolicyMode::legacy}));
}

TEST_F(ConfigWrite, ErrorsInOtherFilesAreAllTold) {
    rule(std::string(etc) + "10-a.yaml", "a", "    match: { unit: a }\n    mode: wrong\n");
    rule(std::string(etc) + "20-b.yaml", "b", "    match: { unit: b }\n    slice: wrong\n");
    const auto done = set("x", {.mode = PolicyMode::legacy});
    ASSERT_FALSE(done);
    EXPECT_EQ(done.error().code, EINVAL);
    EXPECT_THAT(done.error().context, HasSubstr("10-a.yaml:5:"));
    EXPECT_THAT(done.error().context, HasSubstr("20-b.yaml:5:"));
    EXPECT_THAT(files(), testing::UnorderedElementsAre("10-a.yaml", "20-b.yaml"));
}

TEST_F(ConfigWrite, ANameThatAnotherRuleHasIsAnError) {
    rule(std::string(etc) + "70-a.yaml", "set-x.service",
         "    match: { unit: a }\n    mode: off\n");
    EXPECT_EQ(error_of("x", {.mode = PolicyMode::legacy}), EINVAL);
}

TEST_F(ConfigWrite, WhatCannotBeIsRefused) {
    EXPECT_EQ(error_of("x", {}), EINVAL);
    EXPECT_EQ(error_of("", {.mode = PolicyMode::off}), EINVAL);
    EXPECT_EQ(error_of("a b", {.mode = PolicyMode::off}), EINVAL);
    EXPECT_EQ(error_of("a\nb", {.mode = PolicyMode::off}), EINVAL);
    EXPECT_EQ(error_of("\xc3\xa4", {.mode = PolicyMode::off}), EINVAL);
    EXPECT_EQ(error_of(std::string(256, 'x'), {.mode = PolicyMode::off}), EINVAL);
    EXPECT_EQ(error_of("x", {.mode = PolicyMode::off, .glibc = true}), EINVAL);
    EXPECT_THAT(files(), IsEmpty());
}

TEST_F(ConfigWrite, NoNameOfAUnitLeadsOutOfTheFolder) {
    ASSERT_TRUE(set("../../../evil", {.expect = Mode::v1}));
    EXPECT_THAT(files(), ElementsAre("60-..\\x2f..\\x2f..\\x2fevil.yaml"));
    EXPECT_NE(content(std::string(etc) + "60-..\\x2f..\\x2f..\\x2fevil.yaml"), "none");
}

TEST_F(ConfigWrite, AFullDiskLeavesEverythingAsItWas) {
    ASSERT_TRUE(set("x", {.mode = PolicyMode::legacy}));
    const std::string file = std::string(etc) + "60-x.service.yaml";
    const std::string before = content(file);
    const pid_t child = ::fork();
    if (child == 0) {
        const rlimit none{10, 10};
        ::signal(SIGXFSZ, SIG_IGN);
        ::setrlimit(RLIMIT_FSIZE, &none);
        ::_exit(error_of("x", {.mode = PolicyMode::off}));
    }
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_EQ(WEXITSTATUS(status), EFBIG);
    EXPECT_EQ(content(file), before);
    EXPECT_THAT(files(), ElementsAre("60-x.service.yaml"));
}

TEST_F(ConfigWrite, WhatIsInTheWayIsNamed) {
    tree.file("etc/rseq-compat", "not a folder");
    const auto done = set("x", {.mode = PolicyMode::legacy});
    ASSERT_FALSE(done);
    EXPECT_THAT(done.error().message(), HasSubstr("/etc/rseq-compat/policy.d"));
}

TEST_F(ConfigWrite, WhoeverElseIsChangingPoliciesIsWaitedForAndNotForever) {
    tree.file(std::string(etc) + "/.lock", "");
    const UniqueFd locked(
        ::open(tree.path(std::string(etc) + "/.lock").c_str(), O_RDWR | O_CLOEXEC));
    ASSERT_TRUE(locked);
    ASSERT_EQ(::flock(locked.get(), LOCK_EX), 0);
    EXPECT_EQ(error_of("x", {.mode = PolicyMode::off}), EBUSY);
    ASSERT_EQ(::flock(locked.get(), LOCK_UN), 0);
    EXPECT_TRUE(set("x", {.mode = PolicyMode::off}));
}

TEST_F(ConfigWrite, EverybodyMayReadWhatIsSetWhateverTheUmask) {
    const auto mode_of = [&](const std::string& name) {
        struct stat status {};
        EXPECT_EQ(::stat(tree.path(name).c_str(), &status), 0) << name;
        return status.st_mode & 0777U;
    };
    tree.directory("etc/rseq-compat");
    ASSERT_EQ(::chmod(tree.path("etc/rseq-compat").c_str(), 0700), 0);
    const mode_t before = ::umask(0077);
    EXPECT_TRUE(set("x", {.mode = PolicyMode::legacy}, Lifetime::runtime));
    EXPECT_TRUE(set("x", {.mode = PolicyMode::legacy}));
    ::umask(before);
    EXPECT_EQ(mode_of("run/rseq-compat"), 0755U);
    EXPECT_EQ(mode_of(run), 0755U);
    EXPECT_EQ(mode_of(std::string(run) + "60-x.service.yaml"), 0644U);
    EXPECT_EQ(mode_of(etc), 0755U);
    EXPECT_EQ(mode_of("etc/rseq-compat"), 0700U) << "as an administrator left it";
}

TEST_F(ConfigWrite, NobodyElseCanLockPolicies) {
    ASSERT_TRUE(set("x", {.mode = PolicyMode::off}));
    struct stat status {};
    ASSERT_EQ(::stat(tree.path(std::string(etc) + "/.lock").c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 07777U, 0600U);
    const auto folder = open_directory(tree.path(etc));
    ASSERT_TRUE(folder);
    ASSERT_EQ(::flock(folder->get(), LOCK_EX), 0) << "as anybody may";
    EXPECT_TRUE(set("x", {.mode = PolicyMode::legacy}));
}

TEST_F(ConfigWrite, NoChangeOfManyAtOnceIsLost) {
    constexpr int units = 4;
    std::vector<pid_t> children;
    for (int i = 0; i < units; ++i) {
        for (int part = 0; part < 3; ++part) {
            const pid_t child = ::fork();
            if (child == 0) {
                const UnitPolicy policy = part == 0   ? UnitPolicy{.mode = PolicyMode::legacy}
                                          : part == 1 ? UnitPolicy{.slice = PolicySlice::deny}
                                                      : UnitPolicy{.expect = Mode::v1};
                int error = EBUSY;
                while (error == EBUSY) {
                    error = error_of("unit" + std::to_string(i), policy);
                }
                ::_exit(error);
            }
            children.push_back(child);
        }
    }
    for (const pid_t child : children) {
        int status = 0;
        ASSERT_EQ(::waitpid(child, &status, 0), child);
        EXPECT_EQ(WEXITSTATUS(status), 0);
    }
    EXPECT_EQ(files().size(), static_cast<std::size_t>(units));
    ASSERT_EQ(rules().size(), static_cast<std::size_t>(units));
    for (const policy::Rule& found : rules()) {
        EXPECT_EQ(found.mode, PolicyMode::legacy);
        EXPECT_EQ(found.slice, PolicySlice::deny);
        EXPECT_EQ(found.expect, Mode::v1);
    }
}

} // namespace
