// SPDX-License-Identifier: GPL-2.0-or-later
#include "verify/probes.h"

#include "core/types.h"
#include "verify/note.h"
#include "verify/probes_v2.h"

#include <cerrno>
#include <csignal>

namespace rseq::verify {
namespace {

/// How often a subject tries to be disturbed, and how often it may be disturbed by more than what
/// it asked for. On a busy machine most attempts end before the disturbance comes.
constexpr unsigned most_attempts = 4096;
constexpr unsigned most_hits = 64;

/// The ID fields that this kernel has: node_id and mm_cid came later, with the feature size.
FieldSet fields_of(std::uint32_t feature_size) {
    const bool node_id = feature_size >= offsetof(Area, mm_cid);
    const bool mm_cid = feature_size >= offsetof(Area, rest);
    return {true, true, node_id, mm_cid};
}

const char* gerund_of(Disturbance how) {
    switch (how) {
    case Disturbance::block:
        return "blocking";
    case Disturbance::preemption:
        return "being preempted";
    case Disturbance::signal:
        return "a signal";
    case Disturbance::membarrier:
        break;
    }
    return "membarrier";
}

/// Notes why a disturbance cannot be had at all. A kernel without membarrier for rseq offers no
/// guarantee about it.
void note_error(Note& note, Disturbance how, int error) {
    note.fail(error, how == Disturbance::membarrier ? "membarrier(2) fails" : "cannot arrange it");
    if (how == Disturbance::membarrier && error == EINVAL) {
        note.verdict = Verdict::not_offered;
    }
}

/// Notes that no attempt was conclusive. With one CPU, whoever else runs has switched the subject
/// out, so membarrier has nobody to interrupt and the context switch must have done its work.
void note_inconclusive(Note& note, Disturbance how, unsigned hits, unsigned cpus) {
    if (hits == 0) {
        note.say(Verdict::not_tested, "not disturbed by {} in time", gerund_of(how));
    } else if (how == Disturbance::membarrier && cpus == 1) {
        note.say(Verdict::held, "one CPU: by the context switch");
    } else {
        note.say(Verdict::not_tested, "each of {} attempts was switched out too", hits);
    }
}

/// Overwrites the ID fields of a v1 registration and lets them be put back `rounds` times.
void test_ids(Subject& subject, Disturbance how, const FieldSet& fields, unsigned rounds,
              Note& note) {
    if (!settle(subject, original_length, note)) {
        return;
    }
    note.dared = true;
    unsigned good = 0;
    unsigned hits = 0;
    for (unsigned attempt = 0;
         attempt < most_attempts && hits < most_hits && !subject.out_of_time(); ++attempt) {
        const Exposure exposure = subject.expose(how, fields);
        if (exposure.error != 0) {
            note_error(note, how, exposure.error);
            return;
        }
        if (!exposure.hit) {
            continue;
        }
        ++hits;
        for (const IdField field : all_id_fields) {
            const auto index = static_cast<std::size_t>(field);
            if (fields[index] && exposure.ids[index] == overwritten) {
                note.say(Verdict::lost, "{} was not rewritten", name_of(field));
                return;
            }
        }
        good += exposure.alone ? 1 : 0;
        if (good == rounds) {
            note.say(Verdict::held, "");
            return;
        }
    }
    note_inconclusive(note, how, hits, subject.cpus());
}

/// Stays in a critical section until it is disturbed, which has to abort it.
void test_section(Subject& subject, Disturbance how, std::uint32_t length, Note& note) {
    if (!settle(subject, length, note)) {
        return;
    }
    note.dared = true;
    unsigned hits = 0;
    for (unsigned attempt = 0;
         attempt < most_attempts && hits < most_hits && !subject.out_of_time(); ++attempt) {
        const SectionRun run = subject.run_section(how);
        if (run.error == ENOTSUP) {
            note.say(Verdict::not_tested, "no critical section for this architecture");
            return;
        }
        if (run.error != 0) {
            note_error(note, how, run.error);
            return;
        }
        if (!run.hit) {
            continue;
        }
        ++hits;
        if (!run.aborted) {
            note.say(Verdict::lost, "the section went on after {}", gerund_of(how));
            return;
        }
        if (run.alone) {
            note.say(Verdict::held, "");
            return;
        }
    }
    note_inconclusive(note, how, hits, subject.cpus());
}

std::uint8_t pattern_at(std::size_t index) {
    constexpr unsigned step = 37;
    return static_cast<std::uint8_t>((index + 1) * step);
}

/// Fills everything after mm_cid, goes through all that makes a kernel write, and looks again.
void test_memory(Subject& subject, Note& note) {
    volatile Area& area = subject.area();
    for (std::size_t i = 0; i < rest_size; ++i) {
        area.rest[i] = pattern_at(i);
    }
    if (!settle(subject, original_length, note)) {
        return;
    }
    for (const Disturbance how :
         {Disturbance::block, Disturbance::signal, Disturbance::preemption}) {
        bool hit = false;
        while (!hit && !subject.out_of_time()) {
            const Exposure exposure = subject.expose(how, FieldSet{});
            if (exposure.error != 0) {
                note_error(note, how, exposure.error);
                return;
            }
            hit = exposure.hit;
        }
        if (!hit) {
            note_inconclusive(note, how, 0, subject.cpus());
            return;
        }
    }
    if (const int error = subject.unregister_area(original_length); error != 0) {
        note.fail(error, "cannot unregister");
        return;
    }
    for (std::size_t i = 0; i < rest_size; ++i) {
        if (area.rest[i] != pattern_at(i)) {
            note.say(Verdict::lost, "byte {} was written", offsetof(Area, rest) + i);
            return;
        }
    }
    note.say(Verdict::held, "");
}

/// As finding_of(), but a kernel that kills a v1 process for what it may do has lost the guarantee.
Finding v1_finding(const Note& note, const Ending& ending) {
    Finding finding = finding_of(note, ending);
    if (ending.kind == Ending::Kind::killed && ending.number == SIGSEGV && note.dared) {
        finding.verdict = Verdict::lost;
        finding.reason = "the thread was killed with SIGSEGV (is rseq_debug on?)";
    }
    return finding;
}

template <Disturbance how, unsigned rounds>
Finding probe_ids(Kernel& kernel, const Probe& /*probe*/) {
    const FieldSet fields = fields_of(kernel.feature_size());
    Note note;
    const Ending ending = run<Note>(kernel, note, [&fields](Subject& subject, Note& shared) {
        test_ids(subject, how, fields, rounds, shared);
    });
    return v1_finding(note, ending);
}

template <Disturbance how>
Finding probe_v1_section(Kernel& kernel, const Probe& /*probe*/) {
    Note note;
    const Ending ending = run<Note>(kernel, note, [](Subject& subject, Note& shared) {
        test_section(subject, how, original_length, shared);
    });
    return v1_finding(note, ending);
}

Finding probe_memory(Kernel& kernel, const Probe& /*probe*/) {
    Note note;
    const Ending ending = run<Note>(kernel, note, test_memory);
    return v1_finding(note, ending);
}

template <Disturbance how>
Finding probe_v2_section(Kernel& kernel, const Probe& /*probe*/) {
    Finding otherwise;
    if (!v2_is_offered(kernel, otherwise)) {
        return otherwise;
    }
    const std::uint32_t length = kernel.feature_size();
    Note note;
    const Ending ending = run<Note>(kernel, note, [length](Subject& subject, Note& shared) {
        test_section(subject, how, length, shared);
    });
    return v1_finding(note, ending);
}

template <IdField field>
Finding probe_overwrite(Kernel& kernel, const Probe& /*probe*/) {
    return probe_v2_overwrite(kernel, field);
}

// A chance change of an ID at a context switch would hide that nothing else is rewritten, so those
// probes want to see it several times; a signal and membarrier, seen alone, change no ID.
constexpr std::array probes{
    Probe{"v1-ids-block", "v1: IDs rewritten after a voluntary context switch", true,
          probe_ids<Disturbance::block, 8>},
    Probe{"v1-ids-preemption", "v1: IDs rewritten after preemption", true,
          probe_ids<Disturbance::preemption, 3>},
    Probe{"v1-ids-signal", "v1: IDs rewritten before a signal handler runs", true,
          probe_ids<Disturbance::signal, 1>},
    Probe{"v1-ids-membarrier", "v1: IDs rewritten by membarrier", true,
          probe_ids<Disturbance::membarrier, 1>},
    Probe{"v1-cs-preemption", "v1: critical section aborted on preemption", true,
          probe_v1_section<Disturbance::preemption>},
    Probe{"v1-cs-signal", "v1: critical section aborted on a signal", true,
          probe_v1_section<Disturbance::signal>},
    Probe{"v1-cs-membarrier", "v1: critical section aborted by membarrier", true,
          probe_v1_section<Disturbance::membarrier>},
    Probe{"v1-memory", "v1: memory past mm_cid untouched", true, probe_memory},
    Probe{"v2-offered", "v2: offered and accepted", false, probe_v2_offer},
    Probe{"v2-ids-unchanged", "v2: IDs left alone when nothing changed", false,
          probe_v2_ids_left_alone},
    Probe{"v2-cs-preemption", "v2: critical section aborted on preemption", false,
          probe_v2_section<Disturbance::preemption>},
    Probe{"v2-cs-signal", "v2: critical section aborted on a signal", false,
          probe_v2_section<Disturbance::signal>},
    Probe{"v2-cs-membarrier", "v2: critical section aborted by membarrier", false,
          probe_v2_section<Disturbance::membarrier>},
    Probe{"v2-kill-cpu_id_start", "v2: overwriting cpu_id_start kills", false,
          probe_overwrite<IdField::cpu_id_start>},
    Probe{"v2-kill-cpu_id", "v2: overwriting cpu_id kills", false,
          probe_overwrite<IdField::cpu_id>},
    Probe{"v2-kill-node_id", "v2: overwriting node_id kills", false,
          probe_overwrite<IdField::node_id>},
    Probe{"v2-kill-mm_cid", "v2: overwriting mm_cid kills", false,
          probe_overwrite<IdField::mm_cid>},
    Probe{"slice-available", "slices: available to v2", false, probe_slice_available},
    Probe{"slice-errors", "slices: refused as documented", false, probe_slice_errors},
};

} // namespace

std::span<const Probe> all_probes() {
    return probes;
}

} // namespace rseq::verify
