// SPDX-License-Identifier: GPL-2.0-or-later
// The files in tests/data/policy: good ones, and bad ones with what is to be said of them.
#include "config/load.h"
#include "config_support.h"
#include "core/parse.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <vector>

using namespace rseq;
using namespace rseq::config;
using rseq::test::errors_of;

namespace {

const std::filesystem::path folder = std::filesystem::path(RSEQ_TEST_DATA) / "policy";

std::vector<std::filesystem::path> files_in(const std::string& name) {
    std::vector<std::filesystem::path> files;
    for (const auto& entry : std::filesystem::directory_iterator(folder / name)) {
        files.push_back(entry.path());
    }
    std::sort(files.begin(), files.end());
    return files;
}

/// The table bad.expected: FILE, who judges it (see tests/config/schema), LINE:COLUMN and text of
/// each error, with tabs between them. By file, as `FILE:LINE:COLUMN: TEXT`.
std::map<std::string, std::vector<std::string>> expectations() {
    std::map<std::string, std::vector<std::string>> expected;
    std::ifstream table(folder / "bad.expected");
    for (std::string line; std::getline(table, line);) {
        std::string_view rest = line;
        const std::string file(take_until(rest, '\t'));
        take_until(rest, '\t');
        const std::string place(take_until(rest, '\t'));
        std::string text = file;
        text += ":" + place + ": ";
        text += rest;
        expected[file].push_back(text);
    }
    return expected;
}

TEST(PolicyExamples, AGoodFileIsAccepted) {
    const auto files = files_in("good");
    ASSERT_FALSE(files.empty());
    for (const auto& file : files) {
        const auto rules = load_policy_files({file.string()});
        EXPECT_TRUE(rules) << errors_of(rules);
    }
}

TEST(PolicyExamples, EveryBadFileIsInTheTable) {
    std::vector<std::string> listed;
    for (const auto& [file, lines] : expectations()) {
        listed.push_back(file);
    }
    std::vector<std::string> found;
    for (const auto& file : files_in("bad")) {
        found.push_back(file.filename().string());
    }
    EXPECT_EQ(found, listed);
}

TEST(PolicyExamples, OfABadFileEveryErrorIsReportedWithItsPlace) {
    const auto expected = expectations();
    ASSERT_FALSE(expected.empty());
    for (const auto& [file, lines] : expected) {
        SCOPED_TRACE(file);
        const auto rules = load_policy_files({(folder / "bad" / file).string()});
        ASSERT_FALSE(rules);
        std::vector<std::string> found;
        for (Diagnostic error : rules.error()) {
            error.file = std::filesystem::path(error.file).filename().string();
            found.push_back(error.text());
        }
        EXPECT_EQ(found, lines);
    }
}

TEST(PolicyExamples, OneBadFileKeepsTheRulesOfAllOthersOut) {
    for (const auto& file : files_in("bad")) {
        const auto rules =
            load_policy_files({(folder / "good/mongodb.yaml").string(), file.string()});
        ASSERT_FALSE(rules) << file;
        for (const Diagnostic& error : rules.error()) {
            EXPECT_EQ(error.file, file.string());
        }
    }
}

} // namespace
