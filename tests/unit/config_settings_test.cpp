// SPDX-License-Identifier: GPL-2.0-or-later
#include "config/load.h"
#include "config_support.h"
#include "core/slice_length.h"

#include <gtest/gtest.h>
#include <syslog.h>

#include <fstream>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

using namespace rseq;
using namespace rseq::config;
using rseq::test::errors_of;

namespace {

Settings settings_of(const std::string& text) {
    const auto settings = parse_settings("s.yaml", text);
    EXPECT_TRUE(settings) << errors_of(settings);
    return settings ? *settings : Settings();
}

std::string errors_in(const std::string& text) {
    return errors_of(parse_settings("s.yaml", text));
}

std::string shipped() {
    std::ifstream stream(RSEQ_SHIPPED_SETTINGS);
    return {std::istreambuf_iterator<char>(stream), {}};
}

TEST(SettingsFile, EverySettingIsRead) {
    const Settings settings = settings_of("version: 1\n"
                                          "log: {level: debug}\n"
                                          "trace: {buffer_kib: 1024}\n"
                                          "journal: {rate_limit: {interval_sec: 10, burst: 50}}\n"
                                          "slice: {length_ns: 20000}\n");
    EXPECT_EQ(settings.log_level, LOG_DEBUG);
    EXPECT_EQ(settings.trace_buffer_kib, 1024U);
    EXPECT_EQ(settings.journal_interval_sec, 10U);
    EXPECT_EQ(settings.journal_burst, 50U);
    EXPECT_EQ(settings.slice_length_ns, 20000U);
}

TEST(SettingsFile, EveryLevelIsAPriorityOfSyslog) {
    const std::vector<std::pair<std::string, int>> levels{
        {"emerg", LOG_EMERG},     {"alert", LOG_ALERT},   {"crit", LOG_CRIT}, {"err", LOG_ERR},
        {"warning", LOG_WARNING}, {"notice", LOG_NOTICE}, {"info", LOG_INFO}, {"debug", LOG_DEBUG}};
    for (const auto& [word, priority] : levels) {
        EXPECT_EQ(settings_of("version: 1\nlog: {level: " + word + "}\n").log_level, priority);
    }
}

TEST(SettingsFile, WhatIsAbsentStaysAsItWas) {
    EXPECT_EQ(settings_of("version: 1\n"), Settings());
    EXPECT_EQ(settings_of("version: 1\nlog: {}\njournal: {rate_limit: {}}\n"), Settings());
    Settings earlier;
    earlier.log_level = LOG_ERR;
    earlier.trace_buffer_kib = 16;
    const auto settings = parse_settings("s.yaml", "version: 1\nlog: {level: debug}\n", earlier);
    ASSERT_TRUE(settings);
    EXPECT_EQ(settings->log_level, LOG_DEBUG);
    EXPECT_EQ(settings->trace_buffer_kib, 16U);
}

TEST(SettingsFile, TheEndsOfEveryRangeBelongToIt) {
    EXPECT_EQ(settings_of("version: 1\ntrace: {buffer_kib: 16}\n").trace_buffer_kib, 16U);
    EXPECT_EQ(settings_of("version: 1\ntrace: {buffer_kib: 65536}\n").trace_buffer_kib, 65536U);
    EXPECT_EQ(settings_of("version: 1\nslice: {length_ns: 5000}\n").slice_length_ns, 5000U);
    EXPECT_EQ(settings_of("version: 1\nslice: {length_ns: 50000}\n").slice_length_ns, 50000U);
    const Settings least =
        settings_of("version: 1\njournal: {rate_limit: {interval_sec: 1, burst: 1}}\n");
    EXPECT_EQ(least.journal_interval_sec, 1U);
    EXPECT_EQ(least.journal_burst, 1U);
    const Settings most =
        settings_of("version: 1\njournal: {rate_limit: {interval_sec: 3600, burst: 100000}}\n");
    EXPECT_EQ(most.journal_interval_sec, 3600U);
    EXPECT_EQ(most.journal_burst, 100000U);
}

TEST(SettingsFile, WhatIsOutOfRangeIsRefusedWithTheRange) {
    EXPECT_NE(errors_in("version: 1\nslice: {length_ns: 4999}\n"), "");
    EXPECT_NE(errors_in("version: 1\nslice: {length_ns: 50001}\n"), "");
    EXPECT_EQ(errors_in("version: 1\ntrace: {buffer_kib: 15}\n"),
              "s.yaml:2:21: 'buffer_kib' must be in the range 16 to 65536, not '15'\n");
    EXPECT_EQ(errors_in("version: 1\ntrace: {buffer_kib: 65537}\n"),
              "s.yaml:2:21: 'buffer_kib' must be in the range 16 to 65536, not '65537'\n");
    EXPECT_EQ(errors_in("version: 1\njournal: {rate_limit: {interval_sec: 0, burst: 0}}\n"),
              "s.yaml:2:38: 'interval_sec' must be in the range 1 to 3600, not '0'\n"
              "s.yaml:2:48: 'burst' must be in the range 1 to 100000, not '0'\n");
    EXPECT_EQ(errors_in("version: 1\njournal: {rate_limit: {interval_sec: 3601, burst: 100001}}\n"),
              "s.yaml:2:38: 'interval_sec' must be in the range 1 to 3600, not '3601'\n"
              "s.yaml:2:51: 'burst' must be in the range 1 to 100000, not '100001'\n");
    EXPECT_EQ(errors_in("version: 1\ntrace: {buffer_kib: 4294967552}\n"),
              "s.yaml:2:21: 'buffer_kib' must be in the range 16 to 65536, not '4294967552'\n");
}

TEST(SettingsFile, AllErrorsAreReportedAtOnce) {
    EXPECT_EQ(errors_in("version: 1\n"
                        "log: {level: loud, lvl: 1}\n"
                        "trace: 256\n"
                        "journal:\n"
                        "rules: []\n"),
              "s.yaml:2:14: 'level' cannot be 'loud' (one of: emerg, alert, crit, err, warning, "
              "notice, info, debug)\n"
              "s.yaml:2:20: unknown key 'lvl' (did you mean 'level'?)\n"
              "s.yaml:3:8: 'trace' must be a mapping, not the number '256'\n"
              "s.yaml:4:1: 'journal' must be a mapping, not nothing\n"
              "s.yaml:5:1: unknown key 'rules' (known here: version, log, trace, journal, "
              "slice)\n");
}

TEST(SettingsFile, TheVersionIsNeeded) {
    EXPECT_EQ(errors_in("log: {level: info}\n"),
              "s.yaml:1:1: 'version' is missing (begin the file with 'version: 1')\n");
    EXPECT_EQ(errors_in("version: 3\nfuture: yes\n"),
              "s.yaml:1:10: version '3' is not supported (this program reads version 1)\n");
}

TEST(ShippedSettings, AreTheDefaults) {
    ASSERT_FALSE(shipped().empty());
    EXPECT_EQ(settings_of(shipped()), Settings());
}

TEST(ShippedSettings, ShowTheDefaultsInTheirComments) {
    std::string text;
    std::string source = shipped();
    for (std::size_t start = 0; start < source.size();) {
        const std::size_t end = source.find('\n', start);
        std::string line = source.substr(start, end - start);
        // Prose has one blank behind the sign, settings have none or, further in, several.
        if (line.size() > 2 && line[0] == '#' && (line[1] != ' ' || line[2] == ' ')) {
            line.erase(0, 1);
        }
        text += line + '\n';
        start = end + 1;
    }
    Settings defaults;
    defaults.slice_length_ns = least_slice_ns; // the kernel's
    EXPECT_EQ(settings_of(text), defaults);
    for (const char* const key :
         {"level: ", "buffer_kib: ", "length_ns: ", "interval_sec: ", "burst: "}) {
        const auto changed = text.find(key);
        ASSERT_NE(changed, std::string::npos) << key;
        std::string other = text;
        other.insert(changed + std::string(key).size(), "x");
        EXPECT_NE(errors_in(other), "none\n") << key;
    }
}

} // namespace
