// SPDX-License-Identifier: GPL-2.0-or-later
#include "verify/probes_v2.h"

#include "core/types.h"
#include "verify/note.h"
#include "verify/slices.h"

#include <bit>
#include <cerrno>
#include <csignal>

namespace rseq::verify {
namespace {

void test_offer(Subject& subject, std::uint32_t length, Note& note) {
    const int error = subject.register_area(length);
    if (error == 0) {
        note.say(Verdict::held, "AT_RSEQ_FEATURE_SIZE is {}", length);
    } else if (error == EINVAL) {
        note.say(Verdict::lost, "{} bytes are offered and refused", length);
    } else {
        note.fail(error, "rseq(2) fails");
    }
}

void test_ids_left_alone(Subject& subject, std::uint32_t length, Note& note) {
    constexpr unsigned rounds = 3;
    constexpr FieldSet only_cpu_id_start{true, false, false, false};
    if (!settle(subject, length, note)) {
        return;
    }
    note.dared = true;
    const std::uint32_t right = subject.area().cpu_id_start;
    unsigned good = 0;
    while (good < rounds) {
        if (subject.out_of_time()) {
            note.say(Verdict::not_tested, "not switched out in time");
            return;
        }
        const Exposure exposure = subject.expose(Disturbance::block, only_cpu_id_start);
        if (exposure.error != 0) {
            note.fail(exposure.error, "cannot arrange it");
            return;
        }
        if (exposure.hit && exposure.ids[0] != overwritten) {
            note.say(Verdict::lost, "cpu_id_start was rewritten");
            return;
        }
        subject.area().cpu_id_start = right;
        good += exposure.hit ? 1 : 0;
    }
    note.say(Verdict::held, "");
}

/// Overwrites a field and changes the CPU, which makes the kernel look at it.
void test_overwrite(Subject& subject, std::uint32_t length, IdField field, Note& note) {
    if (!settle(subject, length, note)) {
        return;
    }
    if (subject.cpus() < 2) {
        note.say(Verdict::not_tested, "only one CPU to run on");
        return;
    }
    note.dared = true;
    field_of(subject.area(), field) = overwritten;
    if (const int error = subject.migrate(); error != 0) {
        note.fail(error, "cannot change the CPU");
        return;
    }
    note.say(Verdict::lost, "the thread lived on with {} overwritten", name_of(field));
}

/// The name of the first answer that is not as documented, nothing if all are.
const char* wrong_answer(const SliceAnswers& answers) {
    const bool built = answers.get != -enotsupp;
    // Without slices every operation gets ENOTSUPP, but for arguments that prctl(2) itself refuses.
    const int bad_operation = built ? -EINVAL : -enotsupp;
    if (answers.get_with_arg4 != -EINVAL) {
        return "GET with a fourth argument";
    }
    if (answers.get_with_argument != bad_operation) {
        return "GET with an argument";
    }
    if (answers.unknown_operation != bad_operation) {
        return "an unknown operation";
    }
    if (answers.set_unknown_flag != bad_operation) {
        return "SET with an unknown flag";
    }
    const bool available = built && answers.asked_as_v2 && answers.enable_v2 == 0;
    const bool refused = answers.enable_unregistered == -enotsupp;
    const bool unregistered = answers.enable_unregistered == -ENXIO;
    if (available ? !unregistered : !refused && !(built && unregistered)) {
        return "enabling them unregistered";
    }
    if (answers.asked_as_v1 && answers.enable_v1 != -enotsupp) {
        return "enabling them as v1";
    }
    return nullptr;
}

/// Asks in a child; false, and the finding that says why, if there are no answers to judge.
bool ask(Kernel& kernel, SliceAnswers& answers, Finding& otherwise) {
    const std::uint32_t offered = kernel.feature_size();
    const std::uint32_t length = offered > original_length ? offered : 0;
    const Ending ending =
        run<SliceAnswers>(kernel, answers, [length](Subject& subject, SliceAnswers& shared) {
            ask_about_slices(subject, length, shared);
        });
    if (!ending.finished()) {
        otherwise.reason = text_of(ending);
        return false;
    }
    return true;
}

} // namespace

bool v2_is_offered(Kernel& kernel, Finding& otherwise) {
    const std::uint32_t size = kernel.feature_size();
    if (size > original_length) {
        return true;
    }
    otherwise.verdict = Verdict::not_offered;
    otherwise.reason =
        size == 0 ? "no AT_RSEQ_FEATURE_SIZE" : "AT_RSEQ_FEATURE_SIZE is " + std::to_string(size);
    return false;
}

Finding probe_v2_offer(Kernel& kernel, const Probe& /*probe*/) {
    Finding finding;
    if (!v2_is_offered(kernel, finding)) {
        return finding;
    }
    const std::uint32_t length = kernel.feature_size();
    const std::uint32_t alignment = kernel.alignment();
    if (!std::has_single_bit(alignment) || alignment < original_length) {
        finding.verdict = Verdict::lost;
        finding.reason = "AT_RSEQ_ALIGN is " + std::to_string(alignment);
        return finding;
    }
    Note note;
    const Ending ending = run<Note>(kernel, note, [length](Subject& subject, Note& shared) {
        test_offer(subject, length, shared);
    });
    return finding_of(note, ending);
}

Finding probe_v2_ids_left_alone(Kernel& kernel, const Probe& /*probe*/) {
    // The kernel may change the concurrency ID at any switch and then rightly kills the subject.
    constexpr unsigned most_subjects = 5;
    Finding finding;
    if (!v2_is_offered(kernel, finding)) {
        return finding;
    }
    const std::uint32_t length = kernel.feature_size();
    for (unsigned subjects = 0; subjects < most_subjects; ++subjects) {
        Note note;
        const Ending ending = run<Note>(kernel, note, [length](Subject& subject, Note& shared) {
            test_ids_left_alone(subject, length, shared);
        });
        if (ending.kind != Ending::Kind::killed || ending.number != SIGSEGV || !note.dared) {
            return finding_of(note, ending);
        }
    }
    finding.reason = "the IDs of every subject changed";
    return finding;
}

Finding probe_v2_overwrite(Kernel& kernel, IdField field) {
    Finding finding;
    if (!v2_is_offered(kernel, finding)) {
        return finding;
    }
    const std::uint32_t length = kernel.feature_size();
    Note note;
    const Ending ending = run<Note>(kernel, note, [length, field](Subject& subject, Note& shared) {
        test_overwrite(subject, length, field, shared);
    });
    if (ending.kind == Ending::Kind::killed && ending.number == SIGSEGV && note.dared) {
        finding.verdict = Verdict::held;
        return finding;
    }
    return finding_of(note, ending);
}

Finding probe_slice_available(Kernel& kernel, const Probe& /*probe*/) {
    Finding finding;
    SliceAnswers answers;
    if (!ask(kernel, answers, finding)) {
        return finding;
    }
    switch (judge_slices(answers, kernel.slices_off_at_boot(), finding.reason)) {
    case Availability::unknown:
        return finding;
    case Availability::no:
        finding.verdict = Verdict::not_offered;
        return finding;
    case Availability::yes:
        break;
    }
    constexpr std::uint32_t wanted = slice_flag_available | slice_flag_enabled;
    finding.verdict = Verdict::lost;
    if ((answers.flags_enabled & wanted) != wanted) {
        finding.reason = "enabled, and the flags of the area do not show it";
    } else if (answers.get_enabled != static_cast<int>(slice_enable)) {
        finding.reason = "enabled, and prctl(2) does not say so";
    } else {
        finding.verdict = Verdict::held;
    }
    return finding;
}

Finding probe_slice_errors(Kernel& kernel, const Probe& /*probe*/) {
    Finding finding;
    SliceAnswers answers;
    if (!ask(kernel, answers, finding)) {
        return finding;
    }
    if (answers.get == -EINVAL) {
        finding.verdict = Verdict::not_offered;
        finding.reason = "this kernel does not know them";
    } else if (answers.get < 0 && answers.get != -enotsupp) {
        finding.reason = "prctl(2) fails: " + text_of_errno(-answers.get);
    } else if (const char* wrong = wrong_answer(answers); wrong != nullptr) {
        finding.verdict = Verdict::lost;
        finding.reason = std::string("wrong answer to ") + wrong;
    } else {
        finding.verdict = Verdict::held;
    }
    return finding;
}

} // namespace rseq::verify
