// SPDX-License-Identifier: GPL-2.0-or-later
#include "config/load.h"
#include "config_support.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

using namespace rseq;
using namespace rseq::config;
using rseq::policy::Rule;
using rseq::test::errors_of;

namespace {

std::vector<Rule> rules_of(const std::string& text) {
    auto rules = parse_policy("p.yaml", text);
    EXPECT_TRUE(rules) << errors_of(rules);
    return rules ? std::move(*rules) : std::vector<Rule>();
}

std::string errors_in(const std::string& text) {
    return errors_of(parse_policy("p.yaml", text));
}

/// A file with this many rules, each of them good.
std::string file_of(std::size_t count, const std::string& prefix = "r") {
    std::string text = "version: 1\nrules:\n";
    for (std::size_t i = 0; i < count; i++) {
        text += "- {name: " + prefix + std::to_string(i) + ", match: {unit: a}, mode: off}\n";
    }
    return text;
}

TEST(PolicyFile, ARuleIsReadWithAllThatItSays) {
    const auto rules = rules_of("version: 1\n"
                                "rules:\n"
                                "  - name: mongodb-stays-legacy\n"
                                "    match: { unit: mongod.service }  # a comment\n"
                                "    mode: legacy\n"
                                "    slice: deny\n"
                                "    expect: v1\n"
                                "    glibc: off\n");
    ASSERT_EQ(rules.size(), 1U);
    Rule wanted;
    wanted.name = "mongodb-stays-legacy";
    wanted.match.unit = proc::UnitPattern("mongod.service");
    wanted.mode = PolicyMode::legacy;
    wanted.slice = PolicySlice::deny;
    wanted.glibc = false;
    wanted.expect = Mode::v1;
    wanted.origin = {"p.yaml", 3, 5};
    EXPECT_EQ(rules[0], wanted);
}

TEST(PolicyFile, EveryConditionIsRead) {
    const auto rules =
        rules_of("version: 1\n"
                 "rules: [{name: a, expect: none, match: {unit: 'u*', cgroup: '/c*',\n"
                 "         exe: '/e*', comm: 'c*', uid: 1000}}]\n");
    ASSERT_EQ(rules.size(), 1U);
    EXPECT_EQ(rules[0].match, (policy::Match{.unit = proc::UnitPattern("u*"),
                                             .cgroup = Glob("/c*"),
                                             .exe = Glob("/e*"),
                                             .comm = Glob("c*"),
                                             .uid = 1000}));
}

TEST(PolicyFile, EveryWordMeansWhatItSays) {
    const auto word = [](const std::string& key, const std::string& value) {
        const auto rules = rules_of("version: 1\nrules:\n- {name: a, match: {unit: a}, " + key +
                                    ": " + value + "}\n");
        return rules.empty() ? Rule() : rules[0];
    };
    EXPECT_EQ(word("mode", "auto").mode, PolicyMode::automatic);
    EXPECT_EQ(word("mode", "legacy").mode, PolicyMode::legacy);
    EXPECT_EQ(word("mode", "off").mode, PolicyMode::off);
    EXPECT_EQ(word("slice", "allow").slice, PolicySlice::allow);
    EXPECT_EQ(word("slice", "deny").slice, PolicySlice::deny);
    EXPECT_EQ(word("glibc", "on").glibc, true);
    EXPECT_EQ(word("glibc", "off").glibc, false);
    EXPECT_EQ(word("expect", "none").expect, Mode::none);
    EXPECT_EQ(word("expect", "v1").expect, Mode::v1);
    EXPECT_EQ(word("expect", "v2").expect, Mode::v2);
    EXPECT_EQ(word("expect", "v2").mode, std::nullopt);
}

TEST(PolicyFile, RulesKeepTheirOrderAndKnowTheirPlace) {
    const auto rules = rules_of("version: 1\nrules:\n"
                                "- {name: z, match: {unit: a}, mode: off}\n"
                                "-   name: a\n"
                                "    match: {unit: a}\n"
                                "    mode: off\n");
    ASSERT_EQ(rules.size(), 2U);
    EXPECT_EQ(rules[0].name, "z");
    EXPECT_EQ(rules[0].origin, (policy::Origin{"p.yaml", 3, 3}));
    EXPECT_EQ(rules[1].name, "a");
    EXPECT_EQ(rules[1].origin, (policy::Origin{"p.yaml", 4, 5}));
}

TEST(PolicyFile, WithoutADocumentThereAreNoRules) {
    EXPECT_TRUE(rules_of("").empty());
    EXPECT_TRUE(rules_of("\n  \n# comment\n\t\n").empty());
    EXPECT_TRUE(rules_of("version: 1\nrules: []\n").empty());
}

TEST(PolicyFile, AnErrorSaysWhereWhatAndWhatToDo) {
    EXPECT_EQ(errors_in("version: 1\nrules:\n- name: a\n  match: {unti: a}\n  mode: legacy\n"),
              "p.yaml:4:11: unknown key 'unti' (did you mean 'unit'?)\n");
}

TEST(PolicyFile, AllErrorsAreReportedAtOnceInTheOrderOfTheLines) {
    EXPECT_EQ(errors_in("version: 1\nrules:\n"
                        "- {name: a, match: {uid: -1}, mode: of}\n"
                        "- {name: a, match: {unit: a}}\n"),
              "p.yaml:3:26: 'uid' must be in the range 0 to 4294967294, not '-1'\n"
              "p.yaml:3:31: 'mode' needs 'unit' or 'cgroup' in the match (only a whole cgroup can "
              "be held to it)\n"
              "p.yaml:3:37: 'mode' cannot be 'of' (one of: auto, legacy, off)\n"
              "p.yaml:4:3: the rule does nothing (give it one of mode, slice, glibc, expect)\n"
              "p.yaml:4:10: another rule is called 'a' already (line 3)\n");
}

TEST(PolicyFile, AMistakeIsReportedOnceAndNotAsWhatFollowsFromIt) {
    EXPECT_EQ(errors_in("version: 1\nrule: []\n"),
              "p.yaml:2:1: unknown key 'rule' (did you mean 'rules'?)\n");
    EXPECT_EQ(errors_in("version: 2\nrules: 7\n"),
              "p.yaml:1:10: version '2' is not supported (this program reads version 1)\n");
    EXPECT_EQ(errors_in("version: 1\nrules:\n- {nam: a, match: {unit: a}, mode: off}\n"),
              "p.yaml:3:4: unknown key 'nam' (did you mean 'name'?)\n");
    EXPECT_EQ(errors_in("version: 1\nrules:\n- {name: a, match: *x, mode: off}\n"),
              "p.yaml:3:20: the referenced anchor is not defined\n");
    EXPECT_EQ(errors_in("version: 1\nrules:\n- {name: a, match: {unit: !!str a}, mode: off}\n"),
              "p.yaml:3:27: tags (!) are not supported (write the value alone)\n");
}

TEST(PolicyFile, AColumnCountsBytes) {
    EXPECT_EQ(errors_in("version: 1\nrules:\n- {name: a, match: {comm: 'é'}, mod: 1}\n"),
              "p.yaml:3:34: unknown key 'mod' (did you mean 'mode'?)\n");
}

TEST(PolicyFile, WhatIsQuotedFromTheFileIsSafeToPrintAndShort) {
    const auto rules =
        parse_policy("p\x1b.yaml", "version: 1\n\"\\e[31m" + std::string(900, 'k') + "\": 1\n");
    ASSERT_FALSE(rules);
    ASSERT_EQ(rules.error().size(), 1U);
    const std::string text = rules.error()[0].text();
    EXPECT_TRUE(text.starts_with("p\\x1b.yaml:2:1: unknown key '\\x1b[31mkkk")) << text;
    EXPECT_LT(text.size(), 200U);
}

TEST(PolicyFile, AListOfErrorsThatNobodyWouldReadIsCutOff) {
    std::string text = "version: 1\nrules:\n";
    for (int i = 0; i < 1000; i++) {
        text += "- {name: [], match: {unit: a}, mode: off}\n";
    }
    const auto rules = parse_policy("p.yaml", text);
    ASSERT_FALSE(rules);
    EXPECT_GT(rules.error().size(), 10U);
    EXPECT_LT(rules.error().size(), 1000U);
    EXPECT_EQ(rules.error().back().message, "there are more errors than are shown");
}

TEST(PolicyFile, AsManyRulesAsTheLimitAndNoMore) {
    EXPECT_EQ(rules_of(file_of(max_rules)).size(), max_rules);
    EXPECT_NE(errors_in(file_of(max_rules + 1)).find("more than 2000 rules in all files"),
              std::string::npos);
}

TEST(PolicyFile, AFileAsLargeAsTheLimitAndNoLarger) {
    std::string text = file_of(1);
    text += '#' + std::string(max_file_bytes - text.size() - 2, 'x') + '\n';
    ASSERT_EQ(text.size(), max_file_bytes);
    EXPECT_EQ(rules_of(text).size(), 1U);
    EXPECT_EQ(errors_in(text + '#'), "p.yaml:1:1: larger than 256 KiB (split the file)\n");
}

TEST(PolicyFile, AValueAsLongAsTheLimitAndNoLonger) {
    const auto with_exe = [](std::size_t length) {
        return "version: 1\nrules:\n- {name: a, expect: v1, match: {exe: /" +
               std::string(length - 1, 'x') + "}}\n";
    };
    EXPECT_EQ(rules_of(with_exe(max_scalar_bytes)).size(), 1U);
    EXPECT_NE(errors_in(with_exe(max_scalar_bytes + 1)).find("p.yaml:3:38: longer than 1024 bytes"),
              std::string::npos);
}

TEST(PolicyFile, SoManyValuesAndNoMore) {
    const auto of_values = [](std::size_t count) {
        std::string text;
        for (std::size_t i = 1; i < count; i++) {
            text += "- a\n";
        }
        return errors_in(text);
    };
    EXPECT_NE(of_values(max_values_per_file).find("must be a mapping"), std::string::npos);
    EXPECT_NE(of_values(max_values_per_file + 1).find("more than 50000 keys and values"),
              std::string::npos);
}

TEST(PolicyFile, SoManyLevelsAndNoMore) {
    const auto of_levels = [](std::size_t count) {
        return errors_in(std::string(count, '[') + std::string(count, ']'));
    };
    EXPECT_NE(of_levels(max_depth).find("must be a mapping"), std::string::npos);
    EXPECT_NE(of_levels(max_depth + 1).find("more than 8 levels"), std::string::npos);
}

TEST(PolicyFile, WhateverIsRepeatedWithoutEndIsAnError) {
    constexpr std::size_t length = 65536;
    for (const std::string part :
         {"[",    "{",      "[{",        "- ",    "-\n",     "? ",    ": ",  "? - ",
          "[a: ", "{? ",    "\"a\"",     "''",    "&a ",     "*a ",   "!a ", "!<",
          "|\n",  ">\n \n", "- |\n a\n", "---\n", "--- a\n", "...\n", "%\n", "a: ",
          "a:\n", "a: b\n", "{},",       "[,",    ",",       "]",     "}",   "\\",
          "\"\\", "'",      "@",         "`",     "<<: "}) {
        for (const std::string before :
             {"", "version: 1\nrules:\n- ", "version: 1\nrules: [", "\""}) {
            std::string text = before;
            while (text.size() < length) {
                text += part;
            }
            EXPECT_NE(errors_in(text), "none\n") << before << part;
        }
    }
}

} // namespace
