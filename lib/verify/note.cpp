// SPDX-License-Identifier: GPL-2.0-or-later
#include "verify/note.h"

#include <csignal>
#include <cstring>
#include <system_error>

namespace rseq::verify {

std::string text_of_errno(int error) {
    return error == enotsupp ? "Not supported (ENOTSUPP, 524)"
                             : std::generic_category().message(error);
}

std::string name_of_signal(int signal) {
    const char* name = ::sigabbrev_np(signal);
    return name == nullptr ? "signal " + std::to_string(signal) : std::string("SIG") + name;
}

std::string text_of(const Ending& ending) {
    switch (ending.kind) {
    case Ending::Kind::killed:
        return "the probe was killed with " + name_of_signal(ending.number) +
               (ending.number == SIGSYS ? ", by a seccomp filter" : "");
    case Ending::Kind::timed_out:
        return "the probe hung and was ended";
    case Ending::Kind::not_started:
        return "the probe could not be started: " + text_of_errno(ending.number);
    case Ending::Kind::finished:
        break;
    }
    return "the probe finished";
}

Finding finding_of(const Note& note, const Ending& ending) {
    Finding finding;
    if (!ending.finished()) {
        finding.reason = text_of(ending);
        return finding;
    }
    finding.verdict = note.verdict;
    finding.reason = note.reason.data();
    if (note.error != 0) {
        finding.reason += ": " + text_of_errno(note.error);
    }
    return finding;
}

bool settle(Subject& subject, std::uint32_t length, Note& note) {
    if (const int error = subject.register_area(length); error != 0) {
        note.fail(error, "rseq(2) fails");
        return false;
    }
    if (const int error = subject.pin(); error != 0) {
        note.fail(error, "cannot stay on one CPU");
        return false;
    }
    return true;
}

} // namespace rseq::verify
