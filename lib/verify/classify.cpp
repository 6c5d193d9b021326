// SPDX-License-Identifier: GPL-2.0-or-later
#include "verify/classify.h"

#include "core/types.h"
#include "verify/note.h"
#include "verify/slices.h"
#include "verify/verify.h"

#include <algorithm>
#include <cerrno>
#include <csignal>

namespace rseq::verify {
namespace {

/// How often each is seen before it is believed: one rewriting may be a chance change of an ID.
constexpr unsigned rounds = 4;
constexpr unsigned most_attempts = 4096;
constexpr FieldSet only_cpu_id_start{true, false, false, false};

/// The shortest registration that a kernel with two modes may take for v2.
constexpr std::uint32_t shortest_v2 = original_length + 1;

/// What the one child has seen; kept up to date as it goes, for it may be killed.
struct Sighting {
    enum class Step : std::uint8_t { asking, v1, v2, done };
    Step step = Step::asking;
    SliceAnswers slices;
    int v1_error = 0;
    int long_error = 0;
    int pin_error = 0;
    /// /proc's word for the two registrations, 0 where it has none.
    std::uint32_t v1_word = 0;
    std::uint32_t long_word = 0;
    bool v1_switch_lost = false;
    bool v1_signal_lost = false;
    bool v1_seen = false;
    bool long_left_alone = false;
    bool long_seen = false;
};

/// Whether `rounds` disturbances hit; `lost` becomes true if one of them did not rewrite the IDs.
bool watch(Subject& subject, Disturbance how, bool& lost) {
    unsigned hits = 0;
    for (unsigned attempt = 0; attempt < most_attempts && !subject.out_of_time(); ++attempt) {
        const Exposure exposure = subject.expose(how, only_cpu_id_start);
        if (exposure.error != 0) {
            return false;
        }
        hits += exposure.hit ? 1 : 0;
        lost = exposure.hit && exposure.ids[0] == overwritten;
        if (lost || hits == rounds) {
            return true;
        }
    }
    return false;
}

void look(Subject& subject, std::uint32_t offered, Sighting& seen) {
    const std::uint32_t length = std::max(offered, shortest_v2);
    ask_about_slices(subject, offered > original_length ? offered : 0, seen.slices);

    seen.v1_error = subject.register_area(original_length);
    if (seen.v1_error != 0) {
        return;
    }
    seen.v1_word = subject.version_in_proc().value_or(0);
    (void)subject.unregister_area(original_length);
    seen.long_error = subject.register_area(length);
    if (seen.long_error == 0) {
        seen.long_word = subject.version_in_proc().value_or(0);
        (void)subject.unregister_area(length);
    }
    seen.pin_error = subject.pin();
    if (seen.pin_error != 0) {
        return;
    }

    seen.step = Sighting::Step::v1;
    (void)subject.register_area(original_length);
    const bool switched = watch(subject, Disturbance::block, seen.v1_switch_lost);
    const bool signalled = watch(subject, Disturbance::signal, seen.v1_signal_lost);
    seen.v1_seen = switched && signalled;
    (void)subject.unregister_area(original_length);

    if (seen.long_error == 0) {
        seen.step = Sighting::Step::v2;
        (void)subject.register_area(length);
        seen.long_seen = watch(subject, Disturbance::block, seen.long_left_alone);
        (void)subject.unregister_area(length);
    }
    seen.step = Sighting::Step::done;
}

struct Judgement {
    KernelClass kernel_class;
    std::string reason;
};

Judgement judge_failure(Kernel& kernel, int error) {
    if (error != ENOSYS) {
        return {KernelClass::unknown, "rseq(2) fails: " + text_of_errno(error)};
    }
    if (kernel.filtered()) {
        return {KernelClass::unknown, "rseq(2) does not exist, or a seccomp filter hides it"};
    }
    if (kernel.feature_size() != 0 || kernel.has_proc_file()) {
        return {KernelClass::unknown, "rseq(2) exists and is denied to this process"};
    }
    return {KernelClass::unsupported, "rseq(2) does not exist"};
}

Judgement judge_v1(const Sighting& seen) {
    if (seen.v1_switch_lost) {
        return {KernelClass::broken, "v1 IDs are not rewritten after a context switch"};
    }
    return {KernelClass::broken, "v1 IDs are not rewritten before a signal handler runs"};
}

Judgement judge_class(Kernel& kernel, const Sighting& seen, const Ending& ending) {
    const bool killed = ending.kind == Ending::Kind::killed && ending.number == SIGSEGV;
    if (killed && seen.step == Sighting::Step::v1) {
        if (seen.v1_word == 1 && seen.long_word == 2) {
            return {KernelClass::dual, "/proc shows both, though overwriting kills v1 too "
                                       "(is rseq_debug on?)"};
        }
        return {KernelClass::unknown, "overwriting kills v1 (is rseq_debug on?)"};
    }
    const bool killed_as_v2 = killed && seen.step == Sighting::Step::v2;
    if (!ending.finished() && !killed_as_v2) {
        return {KernelClass::unknown, text_of(ending)};
    }
    if (seen.v1_error != 0) {
        return judge_failure(kernel, seen.v1_error);
    }
    if (seen.pin_error != 0) {
        return {KernelClass::unknown, "cannot stay on one CPU: " + text_of_errno(seen.pin_error)};
    }
    if (seen.v1_switch_lost || seen.v1_signal_lost) {
        return judge_v1(seen);
    }
    if (!seen.v1_seen) {
        return {KernelClass::unknown, "a v1 thread was not switched out in time"};
    }
    if (killed_as_v2) {
        return {KernelClass::dual, "v1 IDs are rewritten, and overwriting kills v2"};
    }
    if (seen.long_error != 0) {
        return {KernelClass::historical, "v1 IDs are rewritten, and nothing longer is accepted"};
    }
    if (seen.long_left_alone) {
        return {KernelClass::dual, "v1 IDs are rewritten, those of v2 only when they change"};
    }
    if (!seen.long_seen) {
        return {KernelClass::unknown, "a v2 thread was not switched out in time"};
    }
    return {KernelClass::historical, "IDs are rewritten whatever the length"};
}

} // namespace

KernelFacts classify(Kernel& kernel) {
    KernelFacts facts;
    facts.release = kernel.release();
    facts.feature_size = kernel.feature_size();
    facts.alignment = kernel.alignment();
    facts.abi = kernel.has_proc_file() ? 1 : 0;

    const std::uint32_t offered = facts.feature_size;
    Sighting seen;
    const Ending ending =
        run<Sighting>(kernel, seen, [offered](Subject& subject, Sighting& shared) {
            look(subject, offered, shared);
        });
    Judgement judgement = judge_class(kernel, seen, ending);
    facts.kernel_class = judgement.kernel_class;
    facts.class_reason = std::move(judgement.reason);
    facts.slices = judge_slices(seen.slices, kernel.slices_off_at_boot(), facts.slices_reason);
    return facts;
}

KernelFacts classify() {
    return classify(*running_kernel());
}

} // namespace rseq::verify
