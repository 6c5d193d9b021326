// SPDX-License-Identifier: GPL-2.0-or-later
#include "verify/verify.h"

#include "verify/probes.h"
#include "verify/v1.h"

#include <algorithm>

namespace rseq::verify {

std::string_view to_string(Verdict verdict) {
    switch (verdict) {
    case Verdict::held:
        return "held";
    case Verdict::lost:
        return "lost";
    case Verdict::not_offered:
        return "not offered";
    case Verdict::not_tested:
        break;
    }
    return "not tested";
}

std::string_view to_string(Safety safety) {
    switch (safety) {
    case Safety::safe:
        return "safe";
    case Safety::unsafe:
        return "unsafe";
    case Safety::unknown:
        break;
    }
    return "unknown";
}

Safety judge(const std::vector<Finding>& findings) {
    const auto any_v1 = [&findings](Verdict verdict) {
        return std::any_of(findings.begin(), findings.end(), [verdict](const Finding& finding) {
            return finding.v1 && finding.verdict == verdict;
        });
    };
    if (any_v1(Verdict::lost)) {
        return Safety::unsafe;
    }
    if (any_v1(Verdict::not_tested) || !any_v1(Verdict::held)) {
        return Safety::unknown;
    }
    return Safety::safe;
}

namespace {

template <class Wanted>
std::vector<Finding> run_probes(Kernel& kernel, Wanted wanted) {
    std::vector<Finding> findings;
    for (const Probe& probe : all_probes()) {
        if (!wanted(probe)) {
            continue;
        }
        Finding finding = probe.run(kernel, probe);
        finding.key = probe.key;
        finding.title = probe.title;
        finding.v1 = probe.v1;
        findings.push_back(std::move(finding));
    }
    return findings;
}

} // namespace

std::vector<Finding> verify(Kernel& kernel) {
    return run_probes(kernel, [](const Probe&) { return true; });
}

std::vector<Finding> verify_v1(Kernel& kernel) {
    return run_probes(kernel, [](const Probe& probe) { return probe.v1; });
}

} // namespace rseq::verify
