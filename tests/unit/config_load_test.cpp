// SPDX-License-Identifier: GPL-2.0-or-later
#include "config/load.h"
#include "config_support.h"
#include "tmp_tree.h"

#include <gtest/gtest.h>
#include <syslog.h>
#include <unistd.h>

#include <string>
#include <vector>

using namespace rseq::config;
using rseq::test::errors_of;
using rseq::test::TmpTree;

namespace {

const std::string etc = "etc/rseq-compat/";
const std::string run = "run/rseq-compat/";
const std::string usr = "usr/lib/rseq-compat/";

std::string rule_file(const std::string& name) {
    return "version: 1\nrules:\n  - {name: " + name + ", match: {unit: a}, mode: off}\n";
}

std::string level_file(const std::string& level) {
    return "version: 1\nlog: {level: " + level + "}\n";
}

class Load : public testing::Test {
protected:
    TmpTree tree;

    Configuration loaded() {
        auto configuration = load(tree.path());
        EXPECT_TRUE(configuration) << errors_of(configuration);
        return configuration ? std::move(*configuration) : Configuration();
    }

    /// The names of the rules in their order.
    std::string rules() {
        std::string names;
        for (const auto& rule : loaded().rules) {
            names += rule.name + ' ';
        }
        return names;
    }

    /// The errors, with paths as they are in the tree.
    std::string errors() {
        std::string text = errors_of(load(tree.path()));
        const std::string root = tree.path() + '/';
        for (auto at = text.find(root); at != std::string::npos; at = text.find(root)) {
            text.erase(at, root.size());
        }
        return text;
    }
};

TEST_F(Load, WithoutAnyFileTheDefaultsHold) {
    const Configuration configuration = loaded();
    EXPECT_EQ(configuration.settings, Settings());
    EXPECT_TRUE(configuration.rules.empty());
    EXPECT_TRUE(configuration.files.empty());
}

TEST_F(Load, PoliciesOfAllFoldersInTheOrderOfTheirNames) {
    tree.file(usr + "policy.d/20-b.yaml", rule_file("usr-b"));
    tree.file(etc + "policy.d/30-c.yaml", rule_file("etc-c"));
    tree.file(run + "policy.d/10-a.yaml", rule_file("run-a"));
    tree.file(run + "policy.d/9-d.yaml", rule_file("run-d"));
    tree.file(etc + "policy.d/B.yaml", rule_file("etc-B"));
    tree.file(etc + "policy.d/a.yaml", rule_file("etc-a"));
    EXPECT_EQ(rules(), "run-a usr-b etc-c run-d etc-B etc-a ");
}

TEST_F(Load, ARuleKnowsItsFile) {
    tree.file(run + "policy.d/a.yaml", rule_file("a"));
    const Configuration configuration = loaded();
    ASSERT_EQ(configuration.rules.size(), 1U);
    EXPECT_EQ(configuration.rules[0].origin,
              (rseq::policy::Origin{tree.path() + '/' + run + "policy.d/a.yaml", 3, 5}));
}

TEST_F(Load, OfFilesWithTheSameNameEtcIsBeforeRunAndRunBeforeUsr) {
    tree.file(usr + "policy.d/a.yaml", rule_file("usr"));
    EXPECT_EQ(rules(), "usr ");
    tree.file(run + "policy.d/a.yaml", rule_file("run"));
    EXPECT_EQ(rules(), "run ");
    tree.file(etc + "policy.d/a.yaml", rule_file("etc"));
    EXPECT_EQ(rules(), "etc ");
}

TEST_F(Load, AMaskedFileIsNotEvenLookedAt) {
    tree.file(usr + "policy.d/a.yaml", "{{{");
    tree.file(etc + "policy.d/a.yaml", rule_file("etc"));
    EXPECT_EQ(rules(), "etc ");
}

TEST_F(Load, AnEmptyFileMasksAndIsNothingItself) {
    tree.file(usr + "policy.d/a.yaml", rule_file("usr"));
    tree.file(run + "policy.d/a.yaml", "");
    EXPECT_EQ(rules(), "");
    EXPECT_TRUE(loaded().files.empty());
}

TEST_F(Load, ALinkToDevNullMasksAndIsNothingItself) {
    tree.file(usr + "policy.d/a.yaml", rule_file("usr"));
    tree.symlink(etc + "policy.d/a.yaml", "/dev/null");
    EXPECT_EQ(rules(), "");
    tree.file(usr + "rseq-compatd.yaml", level_file("debug"));
    tree.symlink(etc + "rseq-compatd.yaml", "/dev/null");
    EXPECT_EQ(loaded().settings, Settings());
}

TEST_F(Load, ALinkToAFileIsRead) {
    tree.file("elsewhere", rule_file("linked"));
    tree.symlink(etc + "policy.d/a.yaml", tree.path("elsewhere"));
    EXPECT_EQ(rules(), "linked ");
}

TEST_F(Load, SettingsFromTheStrongestFolder) {
    tree.file(usr + "rseq-compatd.yaml", level_file("debug"));
    EXPECT_EQ(loaded().settings.log_level, LOG_DEBUG);
    tree.file(etc + "rseq-compatd.yaml", level_file("err"));
    EXPECT_EQ(loaded().settings.log_level, LOG_ERR);
}

TEST_F(Load, AMaskedSettingsFileIsMaskedAsAWhole) {
    tree.file(usr + "rseq-compatd.yaml", level_file("debug"));
    tree.file(run + "rseq-compatd.yaml", "version: 1\ntrace: {buffer_kib: 512}\n");
    EXPECT_EQ(loaded().settings.log_level, LOG_INFO);
    EXPECT_EQ(loaded().settings.trace_buffer_kib, 512U);
}

TEST_F(Load, DropInsChangeSingleSettingsTheLastNameWins) {
    tree.file(etc + "rseq-compatd.yaml", "version: 1\nlog: {level: err}\n"
                                         "journal: {rate_limit: {interval_sec: 7, burst: 7}}\n");
    tree.file(usr + "rseq-compatd.d/20.yaml", level_file("debug"));
    tree.file(etc + "rseq-compatd.d/10.yaml",
              "version: 1\nlog: {level: crit}\njournal: {rate_limit: {burst: 9}}\n");
    const Settings settings = loaded().settings;
    EXPECT_EQ(settings.log_level, LOG_DEBUG);
    EXPECT_EQ(settings.journal_interval_sec, 7U);
    EXPECT_EQ(settings.journal_burst, 9U);
}

TEST_F(Load, DropInsAreMaskedLikePolicies) {
    tree.file(usr + "rseq-compatd.d/a.yaml", level_file("debug"));
    tree.file(etc + "rseq-compatd.d/a.yaml", "");
    EXPECT_EQ(loaded().settings.log_level, LOG_INFO);
}

TEST_F(Load, TheFilesThatWereReadAreNamedInTheirOrder) {
    tree.file(usr + "rseq-compatd.yaml", level_file("debug"));
    tree.file(etc + "rseq-compatd.d/a.yaml", level_file("info"));
    tree.file(etc + "policy.d/b.yaml", rule_file("b"));
    tree.file(usr + "policy.d/a.yaml", rule_file("a"));
    const std::string root = tree.path() + '/';
    EXPECT_EQ(loaded().files, (std::vector<std::string>{root + usr + "rseq-compatd.yaml",
                                                        root + etc + "rseq-compatd.d/a.yaml",
                                                        root + usr + "policy.d/a.yaml",
                                                        root + etc + "policy.d/b.yaml"}));
}

TEST_F(Load, OtherNamesAreLeftOut) {
    for (const std::string name :
         {"a.yaml~", "a.yaml.dpkg-new", ".a.yaml", ".yaml", "README", "#a.yaml#", "a.yaml.bak"}) {
        tree.file(etc + "policy.d/" + name, "{{{");
    }
    tree.directory(etc + "policy.d/folder");
    EXPECT_EQ(rules(), "");
}

TEST_F(Load, TheOtherEndingForYamlIsAnErrorBecauseItWouldNotBeRead) {
    tree.file(etc + "policy.d/a.yml", rule_file("a"));
    EXPECT_EQ(errors(),
              "etc/rseq-compat/policy.d/a.yml: the name must end in .yaml for the file to "
              "be read (rename it)\n");
}

TEST_F(Load, AllErrorsOfAllFilesAndNothingElse) {
    tree.file(etc + "rseq-compatd.yaml", level_file("loud"));
    tree.file(usr + "rseq-compatd.d/a.yaml", "version: 1\nlogs: {}\n");
    tree.file(etc + "policy.d/b.yaml", "version: 1\nrules: {}\n");
    tree.file(run + "policy.d/a.yaml", rule_file("good"));
    tree.file(run + "policy.d/c.yaml", rule_file("good"));
    EXPECT_EQ(errors(),
              "etc/rseq-compat/rseq-compatd.yaml:2:14: 'level' cannot be 'loud' (one of: emerg, "
              "alert, crit, err, warning, notice, info, debug)\n"
              "usr/lib/rseq-compat/rseq-compatd.d/a.yaml:2:1: unknown key 'logs' (did you mean "
              "'log'?)\n"
              "etc/rseq-compat/policy.d/b.yaml:2:8: 'rules' must be a list, not a mapping\n"
              "run/rseq-compat/policy.d/c.yaml:3:12: another rule is called 'good' already "
              "('run/rseq-compat/policy.d/a.yaml' line 3)\n");
}

TEST_F(Load, WhatIsNoRegularFileIsAnErrorAndIsNotOpened) {
    tree.fifo(etc + "policy.d/fifo.yaml");
    tree.directory(etc + "policy.d/folder.yaml");
    tree.symlink(etc + "policy.d/zero.yaml", "/dev/zero");
    tree.symlink(etc + "rseq-compatd.yaml", "/dev");
    EXPECT_EQ(errors(), "etc/rseq-compat/rseq-compatd.yaml: not a regular file\n"
                        "etc/rseq-compat/policy.d/fifo.yaml: not a regular file\n"
                        "etc/rseq-compat/policy.d/folder.yaml: not a regular file\n"
                        "etc/rseq-compat/policy.d/zero.yaml: not a regular file\n");
}

TEST_F(Load, ALinkToNowhereIsAnError) {
    tree.symlink(etc + "policy.d/a.yaml", "nowhere");
    tree.symlink(etc + "rseq-compatd.yaml", "nowhere");
    tree.symlink(run + "policy.d/loop.yaml", "loop.yaml");
    EXPECT_EQ(errors(),
              "etc/rseq-compat/rseq-compatd.yaml: cannot open the file: No such file or directory\n"
              "etc/rseq-compat/policy.d/a.yaml: cannot open the file: No such file or directory\n"
              "run/rseq-compat/policy.d/loop.yaml: cannot open the file: Too many levels of "
              "symbolic links\n");
}

TEST_F(Load, AFileInTheWayOfAFolderIsAnError) {
    tree.file("etc/rseq-compat", "");
    tree.file(run + "policy.d", "");
    const std::string text = errors();
    EXPECT_NE(text.find("etc/rseq-compat/rseq-compatd.yaml: cannot look for the file: Not a "
                        "directory\n"),
              std::string::npos)
        << text;
    EXPECT_NE(text.find("run/rseq-compat/policy.d: cannot read the folder: Not a directory\n"),
              std::string::npos)
        << text;
}

TEST_F(Load, WhatMayNotBeReadIsAnErrorAndNotTakenForAbsent) {
    tree.file(etc + "policy.d/a.yaml", rule_file("a"));
    tree.directory(run + "policy.d");
    tree.file(usr + "rseq-compatd.yaml", level_file("err"));
    ASSERT_EQ(::chmod(tree.path().c_str(), 0755), 0);
    ASSERT_EQ(::chmod(tree.path(etc + "policy.d/a.yaml").c_str(), 0), 0);
    ASSERT_EQ(::chmod(tree.path(run + "policy.d").c_str(), 0), 0);
    ASSERT_EQ(::chmod(tree.path(usr).c_str(), 0), 0);
    constexpr uid_t nobody = 65534;
    const bool root = ::geteuid() == 0;
    ASSERT_TRUE(!root || ::seteuid(nobody) == 0);
    const std::string text = errors();
    ASSERT_TRUE(!root || ::seteuid(0) == 0);
    ASSERT_EQ(::chmod(tree.path(usr).c_str(), 0755), 0);
    EXPECT_EQ(text,
              "usr/lib/rseq-compat/rseq-compatd.d: cannot read the folder: Permission denied\n"
              "usr/lib/rseq-compat/rseq-compatd.yaml: cannot look for the file: Permission "
              "denied\n"
              "run/rseq-compat/policy.d: cannot read the folder: Permission denied\n"
              "usr/lib/rseq-compat/policy.d: cannot read the folder: Permission denied\n"
              "etc/rseq-compat/policy.d/a.yaml: cannot read the file: Permission denied\n");
}

TEST_F(Load, AFileThatIsTooLargeIsAnError) {
    tree.file(etc + "policy.d/a.yaml", std::string(max_file_bytes, '#'));
    EXPECT_EQ(rules(), "");
    tree.file(etc + "policy.d/a.yaml", std::string(max_file_bytes + 1, '#'));
    EXPECT_EQ(errors(), "etc/rseq-compat/policy.d/a.yaml: larger than 256 KiB (split the file)\n");
}

TEST_F(Load, AllFilesTogetherHaveALimit) {
    for (std::size_t i = 0; i < max_total_bytes / max_file_bytes; i++) {
        tree.file(etc + "policy.d/" + std::to_string(i) + ".yaml",
                  std::string(max_file_bytes, '#'));
    }
    EXPECT_EQ(rules(), "");
    tree.file(etc + "policy.d/z.yaml", "#");
    EXPECT_EQ(errors(),
              "etc/rseq-compat/policy.d/z.yaml: with the files before it more than 1024 KiB\n");
}

TEST_F(Load, AllRulesTogetherHaveALimit) {
    std::string text = "version: 1\nrules:\n";
    for (std::size_t i = 0; i < max_rules; i++) {
        text += "- {name: r" + std::to_string(i) + ", match: {unit: a}, mode: off}\n";
    }
    tree.file(etc + "policy.d/a.yaml", text);
    EXPECT_EQ(loaded().rules.size(), max_rules);
    tree.file(etc + "policy.d/b.yaml", rule_file("b"));
    EXPECT_EQ(errors(), "etc/rseq-compat/policy.d/b.yaml:3:5: more than 2000 rules in all files\n");
}

TEST_F(Load, AFolderOfVeryManyFilesIsAnError) {
    for (std::size_t i = 0; i <= max_files; i++) {
        tree.file(etc + "policy.d/" + std::to_string(i) + ".yaml", "");
    }
    EXPECT_NE(errors().find("etc/rseq-compat/policy.d: there are more than 512 files"),
              std::string::npos);
}

TEST_F(Load, VeryManyErrorsAreCutOff) {
    std::string text = "version: 1\nrules:\n";
    for (int i = 0; i < 200; i++) {
        text += "- []\n";
    }
    for (int i = 0; i < 50; i++) {
        tree.file(etc + "policy.d/" + std::to_string(i) + ".yaml", text);
    }
    const auto configuration = load(tree.path());
    ASSERT_FALSE(configuration);
    EXPECT_GT(configuration.error().size(), 200U);
    EXPECT_LE(configuration.error().size(), 1000U);
}

TEST_F(Load, SingleFilesAreReadInTheOrderThatIsGiven) {
    tree.file("b", rule_file("b"));
    tree.file("a", rule_file("a"));
    const auto rules = load_policy_files({tree.path("b"), tree.path("a")});
    ASSERT_TRUE(rules) << errors_of(rules);
    ASSERT_EQ(rules->size(), 2U);
    EXPECT_EQ((*rules)[0].name, "b");
    EXPECT_EQ((*rules)[1].name, "a");
}

TEST_F(Load, SingleFilesAreCheckedTogether) {
    tree.file("a", rule_file("a"));
    const auto rules =
        load_policy_files({tree.path("a"), tree.path("absent"), tree.path("a"), tree.path()});
    EXPECT_EQ(errors_of(rules),
              tree.path("absent") + ": cannot open the file: No such file or directory\n" +
                  tree.path("a") + ":3:12: another rule is called 'a' already (line 3)\n" +
                  tree.path() + ": not a regular file\n");
}

} // namespace
