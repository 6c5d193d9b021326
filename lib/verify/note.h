// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include "verify/verify.h"

#include <fmt/format.h>

#include <array>
#include <string>

namespace rseq::verify {

/// What a probe's body leaves in shared memory: a verdict in the making. Written without
/// allocating.
struct Note {
    Verdict verdict = Verdict::not_tested;
    /// The errno that explains the verdict, 0 if none does: put into words by the parent.
    int error = 0;
    /// Set once the body has done what a kernel may kill for.
    bool dared = false;
    /// NUL-terminated.
    std::array<char, 192> reason{};

    template <class... Args>
    void say(Verdict what, fmt::format_string<Args...> format, Args&&... args) {
        verdict = what;
        const auto end =
            fmt::format_to_n(reason.data(), reason.size() - 1, format, std::forward<Args>(args)...);
        *end.out = '\0';
    }
    void fail(int code, const char* what) {
        error = code;
        say(Verdict::not_tested, "{}", what);
    }
};

/// "Function not implemented" and the like; with words of our own for ENOTSUPP, which libc has none
/// for.
[[nodiscard]] std::string text_of_errno(int error);

/// "SIGSEGV".
[[nodiscard]] std::string name_of_signal(int signal);

/// How it ended if it did not finish: "killed with SIGSYS, by a seccomp filter?".
[[nodiscard]] std::string text_of(const Ending& ending);

/// The errno of the kernel for "switched off", unknown to libc.
inline constexpr int enotsupp = 524;

/// What the note says if the body finished; otherwise how it ended, as not tested.
[[nodiscard]] Finding finding_of(const Note& note, const Ending& ending);

/// Registers `length` bytes and stays on one CPU; on failure notes why and returns false.
[[nodiscard]] bool settle(Subject& subject, std::uint32_t length, Note& note);

} // namespace rseq::verify
