// SPDX-License-Identifier: GPL-2.0-or-later
#include "verify/slices.h"

#include "core/types.h"
#include "verify/note.h"

#include <cerrno>

namespace rseq::verify {

void ask_about_slices(Subject& subject, std::uint32_t v2_length, SliceAnswers& answers) {
    constexpr unsigned long no_operation = 99;
    constexpr unsigned long no_flag = 1UL << 5;

    answers.get = subject.slice(slice_get, 0, 0);
    answers.get_with_argument = subject.slice(slice_get, 1, 0);
    answers.get_with_arg4 = subject.slice(slice_get, 0, 1);
    answers.unknown_operation = subject.slice(no_operation, 0, 0);
    answers.set_unknown_flag = subject.slice(slice_set, no_flag, 0);
    answers.enable_unregistered = subject.slice(slice_set, slice_enable, 0);
    answers.asked = true;

    if (subject.register_area(original_length) == 0) {
        answers.enable_v1 = subject.slice(slice_set, slice_enable, 0);
        answers.asked_as_v1 = subject.unregister_area(original_length) == 0;
    }
    if (v2_length != 0 && subject.register_area(v2_length) == 0) {
        answers.enable_v2 = subject.slice(slice_set, slice_enable, 0);
        answers.get_enabled = subject.slice(slice_get, 0, 0);
        answers.flags_enabled = subject.area().flags;
        answers.asked_as_v2 = subject.unregister_area(v2_length) == 0;
    }
}

Availability judge_slices(const SliceAnswers& answers, bool off_at_boot, std::string& reason) {
    if (!answers.asked) {
        reason = "not asked";
        return Availability::unknown;
    }
    if (answers.get == -EINVAL) {
        reason = "this kernel does not know them";
        return Availability::no;
    }
    if (answers.get == -enotsupp) {
        reason = "not built into this kernel (CONFIG_RSEQ_SLICE_EXTENSION)";
        return Availability::no;
    }
    if (answers.get < 0) {
        reason = "prctl(2) fails: " + text_of_errno(-answers.get);
        return Availability::unknown;
    }
    if (off_at_boot) {
        reason = "switched off on the kernel command line (rseq_slice_ext)";
        return Availability::no;
    }
    if (answers.enable_unregistered == -enotsupp || answers.enable_v2 == -enotsupp) {
        reason = "switched off at boot, or denied to this process by policy";
        return Availability::no;
    }
    if (!answers.asked_as_v2) {
        reason = "v2 is not offered to this process";
        return Availability::no;
    }
    if (answers.enable_v2 != 0) {
        reason = "enabling them fails: " + text_of_errno(-answers.enable_v2);
        return Availability::unknown;
    }
    reason.clear();
    return Availability::yes;
}

} // namespace rseq::verify
