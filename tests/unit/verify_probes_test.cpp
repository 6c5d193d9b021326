// SPDX-License-Identifier: GPL-2.0-or-later
#include "unit/verify_fake_kernel.h"
#include "verify/note.h"
#include "verify/probes.h"
#include "verify/verify.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <functional>
#include <set>
#include <string>

namespace rseq::verify {
namespace {

std::vector<Finding> verify_on(const Behaviour& behaviour) {
    FakeKernel kernel(behaviour);
    return verify(kernel);
}

const Finding& find(const std::vector<Finding>& findings, std::string_view key) {
    const auto found = std::find_if(findings.begin(), findings.end(),
                                    [key](const Finding& each) { return each.key == key; });
    if (found == findings.end()) {
        throw std::out_of_range("no finding " + std::string(key));
    }
    return *found;
}

std::set<std::string> keys_with(const std::vector<Finding>& findings, Verdict verdict) {
    std::set<std::string> keys;
    for (const Finding& finding : findings) {
        if (finding.verdict == verdict) {
            keys.emplace(finding.key);
        }
    }
    return keys;
}

const std::set<std::string> ids_of_v1{"v1-ids-block", "v1-ids-preemption", "v1-ids-signal",
                                      "v1-ids-membarrier"};
const std::set<std::string> all_of_v1{"v1-ids-block",      "v1-ids-preemption", "v1-ids-signal",
                                      "v1-ids-membarrier", "v1-cs-preemption",  "v1-cs-signal",
                                      "v1-cs-membarrier",  "v1-memory"};
const std::set<std::string> none;

TEST(Verify, a_dual_kernel_with_slices_holds_every_guarantee) {
    const auto findings = verify_on(dual_kernel());
    for (const Finding& finding : findings) {
        EXPECT_EQ(finding.verdict, Verdict::held) << finding.key << ": " << finding.reason;
    }
    EXPECT_EQ(findings.size(), all_probes().size());
    EXPECT_EQ(judge(findings), Safety::safe);
}

TEST(Verify, a_historical_kernel_holds_all_of_v1_and_offers_nothing_else) {
    const auto findings = verify_on(historical_kernel());
    EXPECT_EQ(keys_with(findings, Verdict::held), all_of_v1);
    EXPECT_EQ(keys_with(findings, Verdict::lost), none);
    EXPECT_EQ(keys_with(findings, Verdict::not_tested), none);
    EXPECT_EQ(judge(findings), Safety::safe);
}

TEST(Verify, a_kernel_like_6_19_has_lost_the_ids_of_v1_and_nothing_else) {
    const auto findings = verify_on(broken_kernel());
    EXPECT_EQ(keys_with(findings, Verdict::lost), ids_of_v1);
    EXPECT_EQ(judge(findings), Safety::unsafe);
}

TEST(Verify, every_finding_but_a_plain_held_one_has_a_reason) {
    for (const Behaviour& behaviour : {historical_kernel(), broken_kernel(), dual_kernel()}) {
        for (const Finding& finding : verify_on(behaviour)) {
            EXPECT_TRUE(finding.verdict == Verdict::held || !finding.reason.empty()) << finding.key;
        }
    }
}

/// One way to break one guarantee of a kernel that is otherwise right.
struct Breakage {
    const char* name;
    const char* probe;
    std::function<void(Behaviour&)> apply;
};

class EachGuarantee : public testing::TestWithParam<Breakage> {};

TEST_P(EachGuarantee, is_lost_alone_where_a_kernel_breaks_it) {
    Behaviour kernel = dual_kernel();
    GetParam().apply(kernel);
    const auto findings = verify_on(kernel);
    EXPECT_EQ(keys_with(findings, Verdict::lost), std::set<std::string>{GetParam().probe});
    const bool v1 = find(findings, GetParam().probe).v1;
    EXPECT_EQ(judge(findings), v1 ? Safety::unsafe : Safety::safe);
}

const Breakage breakages[] = {
    {"block", "v1-ids-block",
     [](Behaviour& k) {
         k.v1.rewrites_on_block = false;
     }},
    {"preemption", "v1-ids-preemption",
     [](Behaviour& k) {
         k.v1.rewrites_on_preemption = false;
     }},
    {"signal", "v1-ids-signal",
     [](Behaviour& k) {
         k.v1.rewrites_on_signal = false;
     }},
    {"membarrier", "v1-ids-membarrier",
     [](Behaviour& k) {
         k.v1.rewrites_on_membarrier = false;
     }},
    {"cs_preemption", "v1-cs-preemption",
     [](Behaviour& k) {
         k.v1.aborts_on_preemption = false;
     }},
    {"cs_signal", "v1-cs-signal",
     [](Behaviour& k) {
         k.v1.aborts_on_signal = false;
     }},
    {"cs_membarrier", "v1-cs-membarrier",
     [](Behaviour& k) {
         k.v1.aborts_on_membarrier = false;
     }},
    {"byte_28", "v1-memory",
     [](Behaviour& k) {
         k.v1.also_writes = 28;
     }},
    {"byte_255", "v1-memory",
     [](Behaviour& k) {
         k.v1.also_writes = 255;
     }},
    {"no_alignment", "v2-offered",
     [](Behaviour& k) {
         k.alignment = 0;
     }},
    {"odd_alignment", "v2-offered",
     [](Behaviour& k) {
         k.alignment = 48;
     }},
    {"v2_ids", "v2-ids-unchanged",
     [](Behaviour& k) {
         k.v2.rewrites_on_block = true;
         k.v2.enforces_in_place = false;
     }},
    {"v2_preemption", "v2-cs-preemption",
     [](Behaviour& k) {
         k.v2.aborts_on_preemption = false;
     }},
    {"v2_signal", "v2-cs-signal",
     [](Behaviour& k) {
         k.v2.aborts_on_signal = false;
     }},
    {"v2_membarrier", "v2-cs-membarrier",
     [](Behaviour& k) {
         k.v2.aborts_on_membarrier = false;
     }},
    {"kill_cpu_id_start", "v2-kill-cpu_id_start",
     [](Behaviour& k) {
         k.v2.enforces[0] = false;
     }},
    {"kill_cpu_id", "v2-kill-cpu_id",
     [](Behaviour& k) {
         k.v2.enforces[1] = false;
     }},
    {"kill_node_id", "v2-kill-node_id",
     [](Behaviour& k) {
         k.v2.enforces[2] = false;
     }},
    {"kill_mm_cid", "v2-kill-mm_cid",
     [](Behaviour& k) {
         k.v2.enforces[3] = false;
     }},
    {"flags", "slice-available",
     [](Behaviour& k) {
         k.wrong.flags_enabled = slice_flag_enabled;
     }},
    {"get_enabled", "slice-available",
     [](Behaviour& k) {
         k.wrong.get_enabled = 0;
     }},
    {"arg4", "slice-errors",
     [](Behaviour& k) {
         k.wrong.get_with_arg4 = 0;
     }},
    {"get_argument", "slice-errors",
     [](Behaviour& k) {
         k.wrong.get_with_argument = 0;
     }},
    {"operation", "slice-errors",
     [](Behaviour& k) {
         k.wrong.unknown_operation = 0;
     }},
    {"flag", "slice-errors",
     [](Behaviour& k) {
         k.wrong.set_unknown_flag = 0;
     }},
    {"unregistered", "slice-errors",
     [](Behaviour& k) {
         k.wrong.enable_unregistered = 0;
     }},
    {"v1_slices", "slice-errors",
     [](Behaviour& k) {
         k.wrong.enable_v1 = 0;
     }},
};

INSTANTIATE_TEST_SUITE_P(Verify, EachGuarantee, testing::ValuesIn(breakages),
                         [](const auto& each) { return std::string(each.param.name); });

TEST(Verify, there_is_a_way_to_lose_every_guarantee) {
    std::set<std::string> broken;
    for (const Breakage& breakage : breakages) {
        broken.emplace(breakage.probe);
    }
    std::set<std::string> probes;
    for (const Probe& probe : all_probes()) {
        probes.emplace(probe.key);
    }
    EXPECT_EQ(broken, probes);
}

TEST(Verify, each_id_field_of_v1_is_looked_at) {
    for (const IdField field : all_id_fields) {
        Behaviour kernel = dual_kernel();
        kernel.v1.writes[static_cast<std::size_t>(field)] = false;
        const auto findings = verify_on(kernel);
        EXPECT_EQ(keys_with(findings, Verdict::lost), ids_of_v1) << name_of(field);
        EXPECT_EQ(find(findings, "v1-ids-signal").reason,
                  std::string(name_of(field)) + " was not rewritten");
    }
}

TEST(Verify, fields_that_an_older_kernel_does_not_have_are_not_asked_of_it) {
    Behaviour kernel = historical_kernel();
    kernel.feature_size = 0;
    kernel.alignment = 0;
    kernel.register_long_error = EINVAL;
    kernel.v1.writes = {true, true, false, false};
    EXPECT_EQ(judge(verify_on(kernel)), Safety::safe);
}

TEST(Verify, v2_that_is_offered_and_refused_is_lost) {
    Behaviour kernel = dual_kernel();
    kernel.register_long_error = EINVAL;
    const auto findings = verify_on(kernel);
    EXPECT_EQ(keys_with(findings, Verdict::lost), std::set<std::string>{"v2-offered"});
    EXPECT_EQ(find(findings, "v2-cs-signal").verdict, Verdict::not_tested);
}

TEST(Verify, without_the_system_call_nothing_can_be_said) {
    for (const int error : {ENOSYS, EPERM}) {
        Behaviour kernel = dual_kernel();
        kernel.register_error = error;
        const auto findings = verify_on(kernel);
        EXPECT_EQ(keys_with(findings, Verdict::held), std::set<std::string>{"slice-errors"});
        EXPECT_EQ(keys_with(findings, Verdict::lost), none);
        EXPECT_EQ(find(findings, "v1-ids-block").reason, "rseq(2) fails: " + text_of_errno(error));
        EXPECT_EQ(judge(findings), Safety::unknown);
    }
}

TEST(Verify, a_kernel_without_membarrier_for_rseq_loses_nothing) {
    Behaviour kernel = historical_kernel();
    kernel.membarrier_error = EINVAL;
    const auto findings = verify_on(kernel);
    EXPECT_EQ(find(findings, "v1-ids-membarrier").verdict, Verdict::not_offered);
    EXPECT_EQ(find(findings, "v1-cs-membarrier").verdict, Verdict::not_offered);
    EXPECT_EQ(judge(findings), Safety::safe);
}

TEST(Verify, a_membarrier_that_is_denied_leaves_its_guarantees_untested) {
    Behaviour kernel = historical_kernel();
    kernel.membarrier_error = EPERM;
    const auto findings = verify_on(kernel);
    EXPECT_EQ(find(findings, "v1-ids-membarrier").verdict, Verdict::not_tested);
    EXPECT_EQ(judge(findings), Safety::unknown);
}

TEST(Verify, what_is_never_disturbed_is_not_tested) {
    Behaviour kernel = dual_kernel();
    kernel.disturbs = false;
    const auto findings = verify_on(kernel);
    const std::set<std::string> need_no_disturbance{
        "v2-offered",     "v2-kill-cpu_id_start", "v2-kill-cpu_id", "v2-kill-node_id",
        "v2-kill-mm_cid", "slice-available",      "slice-errors"};
    EXPECT_EQ(keys_with(findings, Verdict::held), need_no_disturbance);
    EXPECT_EQ(keys_with(findings, Verdict::lost), none);
    EXPECT_EQ(judge(findings), Safety::unknown);
}

TEST(Verify, an_effect_that_a_context_switch_may_have_had_proves_nothing) {
    Behaviour kernel = dual_kernel();
    kernel.alone = false;
    const auto findings = verify_on(kernel);
    EXPECT_EQ(find(findings, "v1-cs-signal").verdict, Verdict::not_tested);
    EXPECT_EQ(find(findings, "v1-ids-membarrier").verdict, Verdict::not_tested);
}

TEST(Verify, with_one_cpu_the_context_switch_stands_in_for_membarrier) {
    Behaviour kernel = dual_kernel();
    kernel.alone = false;
    kernel.cpus = 1;
    const auto findings = verify_on(kernel);
    EXPECT_EQ(find(findings, "v1-ids-membarrier").verdict, Verdict::held);
    EXPECT_EQ(find(findings, "v1-ids-membarrier").reason, "one CPU: by the context switch");
    EXPECT_EQ(find(findings, "v2-kill-cpu_id").verdict, Verdict::not_tested);
}

TEST(Verify, an_architecture_without_a_critical_section_leaves_those_untested) {
    Behaviour kernel = dual_kernel();
    kernel.has_section = false;
    const auto findings = verify_on(kernel);
    EXPECT_EQ(find(findings, "v1-cs-signal").reason, "no critical section for this architecture");
    EXPECT_EQ(judge(findings), Safety::unknown);
}

TEST(Verify, a_kernel_that_kills_v1_for_overwriting_has_lost_it) {
    Behaviour kernel = historical_kernel();
    kernel.v1.enforces = {true, true, true, true};
    const auto findings = verify_on(kernel);
    EXPECT_EQ(keys_with(findings, Verdict::lost), ids_of_v1);
    EXPECT_EQ(judge(findings), Safety::unsafe);
}

TEST(Verify, a_change_of_ids_that_kills_is_tried_again) {
    Behaviour kernel = dual_kernel();
    FakeKernel quiet(kernel);
    (void)verify(quiet);
    kernel.restless_subjects = quiet.subjects();
    const auto findings = verify_on(kernel);
    EXPECT_EQ(find(findings, "v2-ids-unchanged").verdict, Verdict::not_tested);
    EXPECT_EQ(find(findings, "v2-ids-unchanged").reason, "the IDs of every subject changed");
}

TEST(Verify, a_probe_that_does_not_end_by_itself_is_not_tested_and_says_why) {
    const std::pair<Ending, const char*> cases[] = {
        {{Ending::Kind::timed_out, 0}, "the probe hung and was ended"},
        {{Ending::Kind::killed, SIGSYS}, "the probe was killed with SIGSYS, by a seccomp filter"},
        {{Ending::Kind::killed, SIGSEGV}, "the probe was killed with SIGSEGV"},
        {{Ending::Kind::not_started, EAGAIN},
         "the probe could not be started: Resource temporarily unavailable"}};
    for (const auto& [ending, reason] : cases) {
        Behaviour kernel = dual_kernel();
        kernel.ending = ending;
        const auto findings = verify_on(kernel);
        for (const Finding& finding : findings) {
            EXPECT_EQ(finding.verdict, Verdict::not_tested) << finding.key;
            EXPECT_EQ(finding.reason, reason) << finding.key;
        }
        EXPECT_EQ(judge(findings), Safety::unknown);
    }
}

TEST(Verify, refusals_of_slices_are_right_whatever_their_cause) {
    const std::pair<SliceSupport, const char*> cases[] = {
        {SliceSupport::not_built, "not built into this kernel (CONFIG_RSEQ_SLICE_EXTENSION)"},
        {SliceSupport::off, "switched off at boot, or denied to this process by policy"}};
    for (const auto& [support, reason] : cases) {
        Behaviour kernel = dual_kernel();
        kernel.slices = support;
        const auto findings = verify_on(kernel);
        EXPECT_EQ(find(findings, "slice-available").verdict, Verdict::not_offered);
        EXPECT_EQ(find(findings, "slice-available").reason, reason);
        EXPECT_EQ(find(findings, "slice-errors").verdict, Verdict::held);
    }
}

} // namespace
} // namespace rseq::verify
