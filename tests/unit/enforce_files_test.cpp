// SPDX-License-Identifier: GPL-2.0-or-later
#include "enforce/cgroup_tree.h"
#include "enforce/drop_in.h"
#include "enforce/held.h"
#include "enforce/setting.h"
#include "enforce/tunables.h"
#include "enforce/unit_name.h"
#include "tmp_tree.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <string>
#include <vector>

using namespace rseq;
using namespace rseq::enforce;
using rseq::test::TmpTree;
using testing::ElementsAre;
using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;

namespace {

// cgroup.rseq

TEST(EnforceSetting, IsALineOfTheFile) {
    EXPECT_EQ(to_line(PolicyMode::automatic), "mode auto");
    EXPECT_EQ(to_line(PolicySlice::deny), "slice deny");
    for (const Setting& setting :
         std::vector<Setting>{PolicyMode::automatic, PolicyMode::legacy, PolicyMode::off,
                              PolicySlice::allow, PolicySlice::deny}) {
        EXPECT_EQ(parse_line(to_line(setting)), setting);
    }
    for (const char* const line : {"", "mode", "mode ", "mode deny", "slice legacy", "mode legacy ",
                                   "mode  legacy", " mode legacy", "Mode legacy"}) {
        EXPECT_FALSE(parse_line(line)) << line;
    }
}

TEST(EnforceSetting, TheFileHasBothAndMayHaveMore) {
    EXPECT_EQ(parse_cgroup_rseq("mode legacy\nslice deny\n"),
              (Policy{PolicyMode::legacy, PolicySlice::deny}));
    EXPECT_EQ(parse_cgroup_rseq("slice allow\nlater x\nmode off\n"),
              (Policy{PolicyMode::off, PolicySlice::allow}));
    for (const char* const text : {"", "mode legacy\n", "slice deny\n", "mode strict\nslice deny\n",
                                   "mode legacy slice deny"}) {
        EXPECT_FALSE(parse_cgroup_rseq(text)) << text;
    }
}

// cgroups

class EnforceTree : public testing::Test {
protected:
    TmpTree files;

    void cgroup(const std::string& path) {
        files.file(path + "/cgroup.rseq", "mode auto\nslice allow\n");
    }
    CgroupTree tree() { return CgroupTree(files.open()); }

    struct Walked {
        std::vector<std::string> paths;
        bool whole = false;
    };
    Walked walk(const WalkLimits& limits = {}) {
        Walked walked;
        const auto whole = tree().walk(
            [&](const CgroupVisit& visit) { walked.paths.push_back(visit.path); }, limits);
        walked.whole = whole && whole->whole;
        return walked;
    }
};

TEST_F(EnforceTree, AWalkComesByEveryDirectoryParentsFirst) {
    cgroup(".");
    cgroup("a");
    cgroup("a/b");
    files.symlink("a/loop", "../a");
    files.file("a/cgroup.procs", "");
    const Walked walked = walk();
    EXPECT_THAT(walked.paths, ElementsAre("/", "/a", "/a/b"));
    EXPECT_TRUE(walked.whole);
}

TEST_F(EnforceTree, AWalkHasLimitsAndSaysSo) {
    files.directory("a/b/c");
    EXPECT_THAT(walk({.depth = 2}).paths, ElementsAre("/", "/a", "/a/b"));
    EXPECT_FALSE(walk({.depth = 2}).whole);
    EXPECT_TRUE(walk({.depth = 3}).whole);
    EXPECT_THAT(walk({.cgroups = 3}).paths, ElementsAre("/", "/a", "/a/b"));
    EXPECT_FALSE(walk({.cgroups = 3}).whole);
    EXPECT_TRUE(walk({.cgroups = 4}).whole);
}

TEST_F(EnforceTree, TheIdOfACgroupIsTheInodeOfItsDirectory) {
    cgroup("a");
    std::vector<std::uint64_t> ids;
    ASSERT_TRUE(tree().walk([&](const CgroupVisit& visit) { ids.push_back(visit.id); }));
    struct stat root {};
    struct stat below {};
    ASSERT_EQ(::stat(files.path(".").c_str(), &root), 0);
    ASSERT_EQ(::stat(files.path("a").c_str(), &below), 0);
    EXPECT_THAT(ids, ElementsAre(root.st_ino, below.st_ino));
}

TEST_F(EnforceTree, APolicyIsReadAndWrittenByPath) {
    cgroup(".");
    cgroup("a/b");
    EXPECT_EQ(tree().policy("/a/b"), Policy());
    EXPECT_EQ(tree().policy("/"), Policy());
    ASSERT_TRUE(tree().write("/a/b", PolicyMode::off));
    EXPECT_THAT(*read_file(files.open().get(), "a/b/cgroup.rseq", 100),
                testing::StartsWith("mode off\n"));
    EXPECT_TRUE(tree().has_policies());
    files.remove("cgroup.rseq");
    EXPECT_FALSE(tree().has_policies());
}

TEST_F(EnforceTree, ACgroupThatIsGoneIsToldFromOtherErrors) {
    const auto gone = tree().write("/a", PolicyMode::off);
    ASSERT_FALSE(gone);
    EXPECT_TRUE(is_gone(gone.error()));
    EXPECT_TRUE(is_gone(tree().policy("/a").error()));
    files.file("a/cgroup.rseq", "mode strange\nslice allow\n");
    EXPECT_EQ(tree().policy("/a").error().code, EPROTO);
}

TEST_F(EnforceTree, NoPathLeadsOutOfTheTree) {
    cgroup("a");
    for (const char* const path : {"", "a", "/..", "/../a", "/a/../a", "/./a", "//a"}) {
        EXPECT_EQ(tree().write(path, PolicyMode::off).error().code, EINVAL) << path;
        EXPECT_EQ(tree().policy(path).error().code, EINVAL) << path;
    }
    files.file("outside", "as it was");
    files.remove("a/cgroup.rseq");
    files.symlink("a/cgroup.rseq", "../outside");
    EXPECT_EQ(tree().write("/a", PolicyMode::off).error().code, ELOOP);
}

// held.json

Held some_held() {
    Held held;
    HeldCgroup both;
    both.id = 0xffffffffffffffff;
    both.mode = {PolicyMode::legacy, PolicyMode::automatic};
    both.slice = {PolicySlice::deny, PolicySlice::allow};
    both.rule = "rule";
    both.since_ns = 12345678901234;
    held.cgroups["/system.slice/x.service"] = both;
    HeldCgroup one;
    one.id = 7;
    one.mode = {PolicyMode::off, PolicyMode::legacy};
    one.rule = "other";
    one.fresh = true;
    held.cgroups["/odd \"%\n\xff\\name"] = one;
    held.reload_pending = true;
    return held;
}

TEST(EnforceHeld, ComesBackAsItWasWritten) {
    EXPECT_EQ(parse_held(to_json(some_held())), some_held());
    EXPECT_EQ(parse_held(to_json({})), Held());
}

TEST(EnforceHeld, IsKeptInAFile) {
    const TmpTree files;
    const UniqueFd root = files.open();
    EXPECT_EQ(load_held(root.get()), Held());
    ASSERT_TRUE(save_held(root.get(), some_held()));
    EXPECT_EQ(load_held(root.get()), some_held());
}

TEST(EnforceHeld, AnythingElseIsRefusedWithAClearError) {
    const std::string good = to_json(some_held());
    const auto broken = [&](const std::string& what, const std::string& by) {
        std::string text = good;
        const std::size_t at = text.find(what);
        EXPECT_NE(at, std::string::npos) << what;
        return text.replace(at, what.size(), by);
    };
    for (const std::string& text :
         {std::string(), std::string("null"), std::string("[]"), std::string("{}"),
          good.substr(0, good.size() / 2), std::string(100000, '['),
          std::string(max_held_bytes + 1, ' '), broken("\"version\":1", "\"version\":2"),
          broken("\"version\":1", "\"version\":\"1\""), broken("\"auto\"", "\"deny\""),
          broken("\"auto\"", "1"), broken("\"auto\"", "[[[[1]]]]"), broken("\"id\":7", "\"id\":-7"),
          broken("\"id\":7", "\"id\":7.5"), broken("\"id\":7", "\"di\":7"), broken("%FF", "%F"),
          broken("%FF", "%+1"), broken("\"/odd", "\"odd"), broken("true", "1")}) {
        const auto parsed = parse_held(text);
        ASSERT_FALSE(parsed) << text.substr(0, 200);
        EXPECT_EQ(parsed.error().code, EPROTO);
        EXPECT_THAT(parsed.error().message(), HasSubstr("held.json"));
    }
}

TEST(EnforceHeld, TooManyCgroupsAreRefused) {
    Held held;
    HeldCgroup one;
    one.mode = {PolicyMode::off, PolicyMode::off};
    for (std::size_t i = 0; i <= max_held_cgroups; ++i) {
        held.cgroups["/" + std::to_string(i)] = one;
    }
    EXPECT_FALSE(parse_held(to_json(held)));
    held.cgroups.erase(held.cgroups.begin());
    EXPECT_TRUE(parse_held(to_json(held)));
}

// Names of units

TEST(EnforceUnitName, AServiceIsWhatCanHaveADropInOfItsOwn) {
    for (const char* const name : {"x.service", "a-b.service", "x@1.service", "x@a-b.service",
                                   "x@a@b.service", "dev-disk\\x2d1.service", "a:b_c.d.service"}) {
        EXPECT_TRUE(is_service(name)) << name;
    }
    for (const char* const name :
         {"", ".service", "x", "x.slice", "x@.service", "@1.service", "a-.service", "a-@1.service",
          "a/b.service", "a b.service", "a*.service", "ä.service", "x.service.d"}) {
        EXPECT_FALSE(is_service(name)) << name;
    }
    EXPECT_TRUE(is_service(std::string(247, 'x') + ".service"));
    EXPECT_FALSE(is_service(std::string(248, 'x') + ".service"));
}

TEST(EnforceUnitName, APatternWithoutWildcardNamesAService) {
    const auto service = [](const char* pattern) {
        return service_of(proc::UnitPattern(pattern)).value_or("none");
    };
    EXPECT_EQ(service("mongod"), "mongod.service");
    EXPECT_EQ(service("mongod.service"), "mongod.service");
    EXPECT_EQ(service("x@1"), "x@1.service");
    EXPECT_EQ(service("system.slice"), "none");
    EXPECT_EQ(service("session-1.scope"), "none");
    EXPECT_EQ(service("mongo*"), "none");
    EXPECT_EQ(service("docker/0123456789ab"), "none");
    EXPECT_EQ(service("user@1000/editor.service"), "none");
}

TEST(EnforceUnitName, APatternForAllInstancesNamesATemplate) {
    const auto common = [](const char* pattern) {
        return template_of(proc::UnitPattern(pattern)).value_or("none");
    };
    EXPECT_EQ(common("getty@*.service"), "getty@.service");
    EXPECT_EQ(common("a-b@*.service"), "a-b@.service");
    for (const char* const pattern :
         {"getty@*", "getty@tty*.service", "getty@*1.service", "get*@*.service", "@*.service",
          "a-@*.service", "getty@*.socket", "*@*.service", "a/b@*.service"}) {
        EXPECT_EQ(common(pattern), "none") << pattern;
    }
    EXPECT_EQ(template_of_instance("getty@tty1.service"), "getty@.service");
    EXPECT_FALSE(template_of_instance("getty.service"));
}

TEST(EnforceUnitName, ACgroupFollowsFromSliceAndName) {
    EXPECT_EQ(cgroup_of_unit("system.slice", "x.service"), "/system.slice/x.service");
    EXPECT_EQ(cgroup_of_unit("a-b-c.slice", "x.service"),
              "/a.slice/a-b.slice/a-b-c.slice/x.service");
    EXPECT_EQ(cgroup_of_unit("-.slice", "x.service"), "/x.service");
    EXPECT_EQ(default_slice("x.service"), "system.slice");
    EXPECT_EQ(default_slice("getty@tty1.service"), "system-getty.slice");
    EXPECT_EQ(default_slice("a-b@1.service"), "system-a\\x2db.slice");
}

// GLIBC_TUNABLES

TEST(EnforceTunables, OnlyTheOneOfRseqIsReplaced) {
    EXPECT_EQ(with_rseq_tunable("", false), "glibc.pthread.rseq=0");
    EXPECT_EQ(with_rseq_tunable("", true), "glibc.pthread.rseq=1");
    EXPECT_EQ(with_rseq_tunable("glibc.malloc.check=3", false),
              "glibc.malloc.check=3:glibc.pthread.rseq=0");
    EXPECT_EQ(with_rseq_tunable("glibc.pthread.rseq=0:a=1::glibc.pthread.rseq=1:b=2:", true),
              "a=1:b=2:glibc.pthread.rseq=1");
    EXPECT_EQ(with_rseq_tunable("glibc.pthread.rseqx=1", false),
              "glibc.pthread.rseqx=1:glibc.pthread.rseq=0");
    const std::string once = with_rseq_tunable("a=1", false);
    EXPECT_EQ(with_rseq_tunable(once, false), once);
}

TEST(EnforceTunables, TheLastVariableOfThatNameCounts) {
    EXPECT_EQ(tunables_in(std::vector<std::string>{"A=1", "GLIBC_TUNABLES=a=1", "XGLIBC_TUNABLES=x",
                                                   "GLIBC_TUNABLES=b=2"}),
              "b=2");
    EXPECT_EQ(tunables_in(std::vector<std::string>{"A=1"}), "");
}

// Drop-ins

policy::Rule rule_named(const std::string& name) {
    policy::Rule rule;
    rule.name = name;
    rule.origin = {"/etc/rseq-compat/policy.d/10-x.yaml", 3, 5};
    return rule;
}

std::string text_of(const DropIn& drop_in) {
    return drop_in_text(drop_in, rule_named("r"), "/usr/libexec/rseq-compat/hold-cgroup")
        .value_or("error");
}

TEST(EnforceDropIn, HoldsTheCgroupBeforeTheServiceIsExecuted) {
    const std::string text = text_of({.hold = {PolicyMode::legacy, PolicySlice::deny}});
    EXPECT_THAT(text, HasSubstr("\n[Service]\nExecStartPre=-+/usr/libexec/rseq-compat/hold-cgroup "
                                "mode=legacy slice=deny\n"));
    EXPECT_THAT(text, HasSubstr("for the rule r."));
    EXPECT_THAT(text, HasSubstr("/etc/rseq-compat/policy.d/10-x.yaml"));
    EXPECT_THAT(text, Not(HasSubstr("Environment")));
    EXPECT_THAT(text, Not(HasSubstr("SystemCallFilter")));
    EXPECT_TRUE(is_ours(text));
    EXPECT_TRUE(holds_cgroup(text));
}

TEST(EnforceDropIn, WritesNoDefaults) {
    EXPECT_THAT(text_of({.hold = {PolicyMode::automatic, PolicySlice::deny}}),
                HasSubstr("hold-cgroup slice=deny\n"));
    EXPECT_THAT(text_of({.hold = {PolicyMode::off, PolicySlice::allow}}),
                HasSubstr("hold-cgroup mode=off\n"));
}

TEST(EnforceDropIn, OneWithNothingHasNoSection) {
    EXPECT_THAT(text_of({}), Not(HasSubstr("[Service]")));
    EXPECT_TRUE(is_ours(text_of({})));
    EXPECT_FALSE(holds_cgroup(text_of({})));
}

TEST(EnforceDropIn, AFilterLetsTheCallFailInsteadOfKilling) {
    EXPECT_THAT(text_of({.filter = true}), EndsWith("[Service]\nSystemCallFilter=~rseq:ENOSYS\n"));
}

TEST(EnforceDropIn, QuotesWhatTheServiceManagerWouldExpand) {
    EXPECT_THAT(text_of({.tunables = "a=%n\\\"$x"}),
                EndsWith("Environment=\"GLIBC_TUNABLES=a=%%n\\\\\\\"$x\"\n"));
    for (const char* const tunables : {"a=1\nExecStart=/bin/sh", "a=\t", "a=\xc3\xa4"}) {
        EXPECT_EQ(text_of({.tunables = tunables}), "error");
    }
}

TEST(EnforceDropIn, NoNameOfARuleOrFileBreaksOutOfItsComment) {
    policy::Rule rule = rule_named("r\n[Service]");
    rule.origin.file = "/etc/a\nExecStart=/bin/sh\\\n";
    const std::string text = *drop_in_text({}, rule, "/x");
    for (std::size_t at = 0; at != std::string::npos; at = text.find('\n', at + 1)) {
        const std::string_view line = std::string_view(text).substr(at == 0 ? 0 : at + 1);
        EXPECT_TRUE(line.empty() || line.starts_with('#')) << text;
    }
    EXPECT_EQ(text.find("\\\n"), std::string::npos);
}

class EnforceDropIns : public testing::Test {
protected:
    TmpTree files;
    UniqueFd root = files.open();
    DropIns read() { return *read_drop_ins(root.get()); }
};

TEST_F(EnforceDropIns, AreWrittenReadAndRemovedWithTheirFolders) {
    EXPECT_TRUE(read().empty());
    ASSERT_TRUE(write_drop_in(root.get(), "x.service", "first"));
    ASSERT_TRUE(write_drop_in(root.get(), "x.service", "second"));
    EXPECT_EQ(read(), (DropIns{{"x.service", "second"}}));
    ASSERT_TRUE(remove_drop_in(root.get(), "x.service"));
    EXPECT_TRUE(read().empty());
    EXPECT_NE(::access(files.path("x.service.d").c_str(), F_OK), 0);
    EXPECT_TRUE(remove_drop_in(root.get(), "x.service"));
}

TEST_F(EnforceDropIns, WhatOthersPutIntoTheFolderStays) {
    files.file("x.service.d/override.conf", "theirs");
    ASSERT_TRUE(write_drop_in(root.get(), "x.service", "ours"));
    EXPECT_EQ(read(), (DropIns{{"x.service", "ours"}}));
    ASSERT_TRUE(remove_drop_in(root.get(), "x.service"));
    EXPECT_EQ(::access(files.path("x.service.d/override.conf").c_str(), F_OK), 0);
}

TEST_F(EnforceDropIns, NoLinkIsFollowed) {
    files.directory("elsewhere");
    files.symlink("x.service.d", "elsewhere");
    EXPECT_FALSE(write_drop_in(root.get(), "x.service", "text"));
    EXPECT_FALSE(remove_drop_in(root.get(), "x.service"));
    files.file("secret", "# Written by rseq-compatd");
    files.symlink(std::string("y.service.d/") + drop_in_name, "../secret");
    EXPECT_EQ(read(), (DropIns{{"y.service", ""}}));
}

TEST_F(EnforceDropIns, TheFileIsReadableForEverybodyWhateverTheUmask) {
    const mode_t before = ::umask(0077);
    EXPECT_TRUE(write_drop_in(root.get(), "x.service", "text"));
    ::umask(before);
    struct stat status {};
    ASSERT_EQ(::stat(files.path("x.service.d").c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777U, 0755U);
    const std::string file = std::string("x.service.d/") + drop_in_name;
    ASSERT_EQ(::stat(files.path(file).c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777U, 0644U);
}

} // namespace
