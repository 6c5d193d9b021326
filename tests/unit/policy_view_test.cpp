// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/policy_view.h"

#include <gtest/gtest.h>

#include <string>

using namespace rseq;
using namespace rseq::cli;
using enforce::ActionReport;
using enforce::ChangeReport;
using enforce::RuleReport;

namespace {

RuleReport mongod() {
    RuleReport rule;
    rule.name = "mongod";
    rule.origin = {"/etc/rseq-compat/policy.d/60-mongod.service.yaml", 5, 3};
    rule.match = {{"unit", "mongod.service"}};
    rule.mode = "legacy";
    rule.expect = "v1";
    rule.state = "enforced";
    rule.comply = 3;
    rule.do_not_comply = 1;
    return rule;
}

std::string text_of(const Table& table) {
    return table.to_text({.header = true, .colour = false});
}

bool contains(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}

} // namespace

TEST(RuleTable, HasWhatARuleAsksForAndHowFarItIsInForce) {
    EXPECT_EQ(
        text_of(rule_table({mongod()}, true)),
        "RULE    MATCH                MODE    SLICE  GLIBC  EXPECT  STATE     PROCESSES  FILE\n"
        "mongod  unit=mongod.service  legacy  -      -      v1      enforced  3/1        "
        "/etc/rseq-compat/policy.d/60-mongod.service.yaml:5\n");
    const Json row = rule_table({mongod()}, true).to_json().at(0);
    EXPECT_EQ(row, Json::parse(R"({"name": "mongod", "match": {"unit": "mongod.service"},
        "mode": "legacy", "slice": null, "glibc": null, "expect": "v1", "state": "enforced",
        "reason": null, "processes": {"comply": 3, "do_not_comply": 1},
        "file": "/etc/rseq-compat/policy.d/60-mongod.service.yaml", "line": 5, "column": 3})"));
}

TEST(RuleTable, DoesNotCountWhereNobodyHasCounted) {
    EXPECT_EQ(rule_table({mongod()}, false).to_json().at(0).at("processes"), nullptr);
}

TEST(RuleTable, EscapesPatternsAndReasons) {
    RuleReport rule = mongod();
    rule.match = {{"exe", "/a\x1b[2J"}};
    rule.reason = "why\nnot";
    EXPECT_TRUE(contains(text_of(rule_table({rule}, true)), "  exe=/a\\x1b[2J  "));
    EXPECT_EQ(reasons_to_text({rule, mongod()}), "mongod: why\\x0anot\n");
}

TEST(ShownPolicy, NamesTheRuleItsPlaceAndWhatWasWrittenWhere) {
    Shown shown;
    shown.rule = mongod();
    shown.target.unit = "mongod.service";
    shown.target.cgroup = "/system.slice/mongod.service";
    shown.target.rule = "mongod";
    shown.target.origin = mongod().origin;
    shown.target.mode = "legacy";
    shown.target.expect = "v1";
    shown.target.effective = "legacy deny";
    shown.target.mode_rule = "mongod";
    shown.target.slice_rule = "all";
    enforce::HeldReport held;
    held.cgroup = shown.target.cgroup;
    held.mode = "legacy";
    held.mode_before = "auto";
    held.rule = "mongod";
    shown.target.held = {held};
    shown.target.drop_ins = {
        {"mongod.service", "/run/x.conf", "# ours\n[Service]\nExecStartPre=-+/h\n"}};
    shown.target.notes = {{"partial", "/x", "cgroups", "too many", "mongod", "/etc/f", 5}};
    const std::string text = shown_to_text(shown, true, false);
    for (const char* const part :
         {"Unit:       mongod.service\n", "Cgroup:     /system.slice/mongod.service\n",
          "Rule:       mongod\n",
          "Written in: /etc/rseq-compat/policy.d/60-mongod.service.yaml:5:3\n",
          "Asks for:   mode legacy, expect v1\n", "State:      enforced\n",
          "Effective:  legacy deny (mode by mongod, slice by all)\n",
          "/system.slice/mongod.service  mode legacy  mode auto  mongod  ",
          "Drop-in:    /run/x.conf\n            [Service]\n            ExecStartPre=-+/h\n",
          "partial: cgroups of /x: too many (rule mongod, /etc/f:5)\n"}) {
        EXPECT_TRUE(contains(text, part)) << part << "is not in\n" << text;
    }
    EXPECT_FALSE(contains(text, "ours"));
    const Json document = shown_document({}, shown);
    EXPECT_EQ(document.at("rule").at("name"), "mongod");
    EXPECT_EQ(document.at("held").at(0).at("slice"), nullptr);
    EXPECT_EQ(document.at("drop_ins").at(0).at("text"), shown.target.drop_ins[0].text);
}

TEST(ShownPolicy, OfAUnitWithoutARuleSaysSo) {
    Shown shown;
    shown.target.unit = "x.service";
    shown.target.effective = "auto allow";
    EXPECT_EQ(shown_to_text(shown, true, false),
              "Unit:       x.service\nRule:       none\nEffective:  auto allow\n");
    EXPECT_EQ(shown_document({}, shown).at("rule"), nullptr);
}

TEST(Change, ShowsActionsFailuresAndWhatCannotBeHad) {
    ChangeReport change;
    ActionReport drop_in;
    drop_in.kind = "drop-in";
    drop_in.target = "x.service";
    drop_in.wanted = "# ours\n[Service]\nExecStartPre=-+/h mode=legacy\n";
    drop_in.rule = "x";
    drop_in.state = "done";
    ActionReport reload;
    reload.kind = "reload";
    reload.state = "failed";
    reload.error = "polkit\n: no";
    change.actions = {drop_in, reload};
    change.notes = {
        {"unenforceable", "y*", "mode legacy", "unenforceable on this kernel", "y", "/f", 2}};
    EXPECT_EQ(change_to_text(change, true, false),
              "ACTION   TARGET     WANTED                         BEFORE  RULE  STATE\n"
              "drop-in  x.service  ExecStartPre=-+/h mode=legacy  -       x     done\n"
              "reload   -          -                              -       -     failed\n"
              "failed: polkit\\x0a: no\n"
              "unenforceable: mode legacy of y*: unenforceable on this kernel (rule y, /f:2)\n");
    const Json document = change_document({}, change, true);
    EXPECT_EQ(document.at("dry_run"), true);
    EXPECT_EQ(document.at("actions").at(0).at("wanted"), drop_in.wanted);
    EXPECT_EQ(document.at("actions").at(1).at("target"), nullptr);
}

TEST(CheckedFiles, AreListedWithTheirErrors) {
    const Json document =
        check_document({"a.yaml"}, 0, {{"a.yaml", 3, 7, "what", ""}, {"b", 0, 0, "gone", "hint"}});
    EXPECT_EQ(document.at("errors"), Json::parse(R"([
        {"file": "a.yaml", "line": 3, "column": 7, "message": "what", "hint": null},
        {"file": "b", "line": null, "column": null, "message": "gone", "hint": "hint"}])"));
}
