// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/verify.h"
#include "core/kernel_facts.h"
#include "table/table.h"
#include "verify/verify.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

namespace rseq::cli {
namespace {

KernelFacts facts_of_6_19() {
    KernelFacts facts;
    facts.release = "6.19.14\x1b[2J";
    facts.kernel_class = KernelClass::broken;
    facts.class_reason = "v1 IDs are not rewritten after a context switch";
    return facts;
}

std::vector<verify::Finding> findings_with(verify::Verdict verdict) {
    return {{.key = "v1-first",
             .title = "v1: the first",
             .v1 = true,
             .verdict = verify::Verdict::held,
             .reason = ""},
            {.key = "v1-second",
             .title = "v1: the second",
             .v1 = true,
             .verdict = verdict,
             .reason = "seen\n"},
            {.key = "v2-third",
             .title = "v2: the third",
             .v1 = false,
             .verdict = verify::Verdict::not_offered,
             .reason = "no v2"}};
}

TEST(VerifyView, json_names_its_version_the_kernel_and_what_the_exit_status_means) {
    const Json json = verify_to_json(facts_of_6_19(), findings_with(verify::Verdict::lost));
    EXPECT_EQ(json.at("version"), 1);
    EXPECT_EQ(json.at("kernel").at("release"), "6.19.14\x1b[2J");
    EXPECT_EQ(json.at("kernel").at("class"), "broken");
    EXPECT_EQ(json.at("v1_users"), "unsafe");
    EXPECT_EQ(json.at("conclusion"), "v1 users are not safe on this kernel");
    EXPECT_EQ(json.at("exit_status"), 1);
}

TEST(VerifyView, json_has_one_object_for_each_guarantee) {
    const Json json = verify_to_json(facts_of_6_19(), findings_with(verify::Verdict::lost));
    const Json& guarantees = json.at("guarantees");
    ASSERT_EQ(guarantees.size(), 3U);
    EXPECT_EQ(guarantees[0].at("guarantee"), "v1-first");
    EXPECT_EQ(guarantees[0].at("result"), "held");
    EXPECT_TRUE(guarantees[0].at("reason").is_null());
    EXPECT_EQ(guarantees[1].at("result"), "lost");
    EXPECT_EQ(guarantees[1].at("reason"), "seen\n");
    EXPECT_EQ(guarantees[2].at("result"), "not offered");
}

TEST(VerifyView, the_exit_status_follows_the_v1_guarantees) {
    const KernelFacts facts;
    const auto status_of = [&facts](verify::Verdict verdict) {
        return verify_to_json(facts, findings_with(verdict)).at("exit_status").get<int>();
    };
    EXPECT_EQ(status_of(verify::Verdict::held), 0);
    EXPECT_EQ(status_of(verify::Verdict::not_offered), 0);
    EXPECT_EQ(status_of(verify::Verdict::lost), 1);
    EXPECT_EQ(status_of(verify::Verdict::not_tested), 3);
}

TEST(VerifyView, text_without_legend_is_one_line_for_each_guarantee) {
    const std::string text =
        verify_to_text(facts_of_6_19(), findings_with(verify::Verdict::lost), false, false);
    EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 3);
    EXPECT_EQ(text.rfind("v1-first", 0), 0U);
}

TEST(VerifyView, the_legend_shows_the_kernel_and_the_conclusion_without_control_characters) {
    const std::string text =
        verify_to_text(facts_of_6_19(), findings_with(verify::Verdict::lost), true, false);
    EXPECT_NE(text.find("broken"), std::string::npos);
    EXPECT_NE(text.find("\nResult: v1 users are not safe on this kernel\n"), std::string::npos);
    EXPECT_EQ(text.find('\x1b'), std::string::npos);
}

TEST(VerifyView, colour_marks_what_is_lost) {
    const auto findings = findings_with(verify::Verdict::lost);
    EXPECT_NE(verify_to_text({}, findings, false, true).find("\x1b[31m"), std::string::npos);
    EXPECT_EQ(verify_to_text({}, findings, false, false).find('\x1b'), std::string::npos);
}

} // namespace
} // namespace rseq::cli
