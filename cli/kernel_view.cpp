// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/kernel_view.h"

#include "core/escape.h"

#include <fmt/format.h>

#include <string_view>

namespace rseq::cli {

namespace {

std::string_view meaning(KernelClass kernel_class) {
    switch (kernel_class) {
    case KernelClass::historical:
        return "every registration has v1 behaviour";
    case KernelClass::broken:
        return "every registration is optimized, v1 users are not safe here";
    case KernelClass::dual:
        return "v1 and v2, by the length of the registration";
    case KernelClass::unsupported:
        return "no restartable sequences";
    case KernelClass::unknown:
        break;
    }
    return "it cannot be said what registrations do here";
}

std::string_view word(Availability availability) {
    switch (availability) {
    case Availability::yes:
        return "yes";
    case Availability::no:
        return "no";
    case Availability::unknown:
        break;
    }
    return "unknown";
}

Availability v2_offered(const KernelFacts& facts) {
    switch (facts.kernel_class) {
    case KernelClass::dual:
        return Availability::yes;
    case KernelClass::historical:
    case KernelClass::broken:
    case KernelClass::unsupported:
        return Availability::no;
    case KernelClass::unknown:
        break;
    }
    return Availability::unknown;
}

std::string in_parentheses(const std::string& reason) {
    return reason.empty() ? "" : " (" + escape_untrusted(reason) + ")";
}

} // namespace

std::string kernel_to_text(const KernelFacts& facts) {
    const std::string auxv = facts.feature_size == 0
                                 ? "no AT_RSEQ_FEATURE_SIZE"
                                 : fmt::format("AT_RSEQ_FEATURE_SIZE {}, AT_RSEQ_ALIGN {}",
                                               facts.feature_size, facts.alignment);
    return fmt::format("Kernel: {}\n"
                       "Class:  {}, {}{}\n"
                       "Offers: v2 {} ({}); time slice extension {}{}; /proc/PID/rseq {}\n",
                       escape_untrusted(facts.release), to_string(facts.kernel_class),
                       meaning(facts.kernel_class), in_parentheses(facts.class_reason),
                       word(v2_offered(facts)), auxv, word(facts.slices),
                       in_parentheses(facts.slices_reason), facts.abi > 0 ? "yes" : "no");
}

Json kernel_to_json(const KernelFacts& facts) {
    return {{"release", facts.release},
            {"class", to_string(facts.kernel_class)},
            {"class_reason", facts.class_reason},
            {"v2", word(v2_offered(facts))},
            {"feature_size", facts.feature_size},
            {"alignment", facts.alignment},
            {"slices", word(facts.slices)},
            {"slices_reason", facts.slices_reason},
            {"abi", facts.abi}};
}

} // namespace rseq::cli
