// SPDX-License-Identifier: GPL-2.0-or-later
#include "explain/explain.h"

#include "core/parse.h"
#include "explain/reasons.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <utility>

namespace rseq::explain {

std::string_view to_string(Registrant registrant) {
    switch (registrant) {
    case Registrant::nobody:
        return "nobody";
    case Registrant::glibc:
        return "glibc";
    case Registrant::program:
        return "program";
    case Registrant::unknown:
        break;
    }
    return "unknown";
}

namespace {

struct Release {
    unsigned major = 0;
    unsigned minor = 0;
    [[nodiscard]] bool at_least(unsigned wanted_major, unsigned wanted_minor) const {
        return std::pair(major, minor) >= std::pair(wanted_major, wanted_minor);
    }
};

std::optional<Release> release_of(std::string_view version) {
    const auto major = parse_number<unsigned>(take_until(version, '.'));
    const auto minor = parse_number<unsigned>(take_until(version, '.'));
    return major && minor ? std::optional(Release{*major, *minor}) : std::nullopt;
}

/// What is known of glibc and its registration.
struct Glibc {
    bool present = false;
    std::optional<bool> can_register; ///< by its age
    std::optional<bool> adapts;       ///< registers what the kernel offers, and not always 32 bytes
    std::optional<bool> wants;        ///< by its tunable
    std::optional<bool> registered;   ///< by __rseq_size
};

Glibc glibc_of(const Findings& evidence) {
    Glibc glibc;
    if (!evidence.libc || evidence.libc->kind != LibcKind::glibc) {
        return glibc;
    }
    glibc.present = true;
    if (const auto release = release_of(evidence.libc->version)) {
        glibc.can_register = release->at_least(2, 35);
        glibc.adapts = release->at_least(2, 41);
    } else {
        glibc.can_register = evidence.libc->registers_rseq;
    }
    // Without a release it may be one into which a distribution has put the registration, and there
    // it may have to be asked for.
    const std::optional<bool> by_default =
        evidence.libc->version.empty() ? std::nullopt : std::optional(true);
    const bool secure = evidence.auxv && evidence.auxv->secure;
    if (secure) {
        glibc.wants = by_default; // its tunables are ignored then
    } else if (evidence.tunable && evidence.auxv) {
        glibc.wants = *evidence.tunable ? *evidence.tunable : by_default;
    }
    if (evidence.glibc_size) {
        glibc.registered = *evidence.glibc_size > 0;
    } else if (glibc.can_register == false || glibc.wants == false) {
        glibc.registered = false;
    }
    return glibc;
}

Registrant registrant_of(const Findings& evidence, const Glibc& glibc) {
    const Mode mode = evidence.process.mode();
    if (mode == Mode::none) {
        return Registrant::nobody;
    }
    if (mode == Mode::unknown || !evidence.libc) {
        return Registrant::unknown;
    }
    if (evidence.libc->kind == LibcKind::musl || evidence.libc->kind == LibcKind::none) {
        return Registrant::program; // musl never registers, nor does Go
    }
    if (!glibc.present || !glibc.registered) {
        return Registrant::unknown;
    }
    return *glibc.registered ? Registrant::glibc : Registrant::program;
}

std::string libc_name(const Findings& evidence) {
    const Libc& libc = *evidence.libc;
    return (libc.is_static ? "the static " : "") +
           std::string(libc.kind == LibcKind::musl ? "musl" : "glibc") +
           (libc.version.empty() ? "" : " " + libc.version);
}

std::string by_policy(const Findings& evidence) {
    const bool off = evidence.process.policy->mode == PolicyMode::off;
    return off ? "the policy 'off' was in force when the program was executed: rseq(2) fails with "
                 "ENOSYS"
               : "the policy 'legacy' was in force when the program was executed: every "
                 "registration is v1, whatever its length";
}

bool has_policy(const Findings& evidence, PolicyMode mode) {
    return evidence.process.policy && evidence.process.policy->mode == mode;
}

/// Why glibc, which asked, was refused.
std::string why_refused(const Findings& evidence) {
    if (evidence.seccomp && evidence.seccomp->mode == 2 && evidence.kernel.feature_size != 0 &&
        (!evidence.refusals || evidence.refusals->empty())) {
        // A filter answers before the kernel could tell of a refusal.
        return fmt::format("{} asked to be registered and was refused; nothing but a system call "
                           "filter (seccomp) is left that can have done it",
                           libc_name(evidence));
    }
    if (evidence.refusals && !evidence.refusals->empty()) {
        return fmt::format("{} asked to be registered, and the kernel refused: {}",
                           libc_name(evidence), errno_name(evidence.refusals->front().error));
    }
    return {};
}

std::string conclude_none(const Findings& evidence, const Glibc& glibc) {
    if (evidence.process.kernel_thread) {
        return "a kernel thread has no user space and never registers";
    }
    if (evidence.kernel.kernel_class == KernelClass::unsupported) {
        return "this kernel has no rseq(2)";
    }
    if (has_policy(evidence, PolicyMode::off)) {
        return by_policy(evidence);
    }
    if (!evidence.libc) {
        return {};
    }
    if (evidence.libc->kind == LibcKind::musl) {
        return libc_name(evidence) + " does not register, and nothing else in the process did";
    }
    if (evidence.libc->kind == LibcKind::none) {
        return "a Go program without C has no C library that would register, and nothing else in "
               "the process did";
    }
    if (!glibc.present) {
        return {};
    }
    if (glibc.can_register == false) {
        return libc_name(evidence) + " does not register, and nothing else in the process did";
    }
    if (glibc.wants == false && glibc.registered != true) {
        return "GLIBC_TUNABLES tells glibc not to register (glibc.pthread.rseq=0), and nothing "
               "else in the process did";
    }
    if (glibc.registered == true) {
        return libc_name(evidence) + " had registered, and the registration was ended since";
    }
    if (glibc.registered == false && glibc.wants == true && glibc.can_register == true) {
        return why_refused(evidence);
    }
    return {};
}

std::string by_program(const Findings& evidence, std::string_view length) {
    const bool tcmalloc = evidence.tcmalloc && !evidence.tcmalloc->empty();
    return fmt::format("the program{} registered {} itself, and not its C library",
                       tcmalloc ? ", which has TCMalloc in it," : "", length);
}

std::string conclude_registered(const Findings& evidence, const Glibc& glibc,
                                Registrant registrant) {
    const bool v1 = evidence.process.mode() == Mode::v1;
    const std::string who = registrant == Registrant::glibc ? libc_name(evidence) + " registered"
                            : registrant == Registrant::program
                                ? by_program(evidence, "its threads")
                                : "its threads are registered";
    if (evidence.kernel.kernel_class == KernelClass::historical) {
        return who + ", and this kernel treats every registration as v1";
    }
    if (evidence.kernel.kernel_class == KernelClass::broken) {
        return who + ", and this kernel treats every registration as optimized";
    }
    if (v1 && has_policy(evidence, PolicyMode::legacy)) {
        return by_policy(evidence);
    }
    if (registrant == Registrant::program) {
        return by_program(evidence, v1 ? "32 bytes" : "more than 32 bytes");
    }
    if (registrant != Registrant::glibc) {
        return {};
    }
    if (v1) {
        return glibc.adapts == true && evidence.auxv && !evidence.auxv->rseq_feature_size
                   ? libc_name(evidence) + " was told of no more than 32 bytes and registered these"
                   : libc_name(evidence) + " registered 32 bytes" +
                         (glibc.adapts == false ? ", as every release before 2.41 does" : "");
    }
    return libc_name(evidence) + " registered all that the kernel offers, more than 32 bytes" +
           (glibc.adapts == true ? ", as every release since 2.41 does" : "");
}

std::string conclude(const Findings& evidence, const Glibc& glibc, Registrant registrant) {
    switch (evidence.process.mode()) {
    case Mode::none:
        return conclude_none(evidence, glibc);
    case Mode::v1:
    case Mode::v2:
        return conclude_registered(evidence, glibc, registrant);
    case Mode::mixed:
        return "its threads registered different lengths: a C library registers all of them alike, "
               "so some registered themselves";
    case Mode::unknown:
        break;
    }
    return {};
}

/// What would have decided it.
std::vector<std::string> missing(const Findings& evidence, const std::vector<Reason>& reasons) {
    std::vector<std::string> parts;
    for (const Reason& reason : reasons) {
        if (!reason.known) {
            parts.push_back(fmt::format("{}: {}", reason.about, reason.text));
        }
    }
    if (evidence.libc && evidence.libc->kind == LibcKind::unknown) {
        parts.emplace_back("libc: which one is in the program, and so who would register");
    }
    if (evidence.libc && evidence.libc->kind == LibcKind::glibc && evidence.libc->version.empty()) {
        parts.emplace_back("libc: of which release the glibc is, and so what it does if nobody "
                           "tells it");
    }
    if (parts.empty()) {
        parts.emplace_back("registration: who made it, or ended it");
    }
    return parts;
}

} // namespace

Explanation explain(const Findings& evidence) {
    const Glibc glibc = glibc_of(evidence);
    Explanation result;
    result.registrant = registrant_of(evidence, glibc);
    result.reasons = reasons_of(evidence, result.registrant);
    result.conclusion = conclude(evidence, glibc, result.registrant);
    if (result.conclusion.empty()) {
        result.unknown = missing(evidence, result.reasons);
    }
    result.remedies = remedies_of(evidence, glibc.wants == false, result.registrant);
    return result;
}

} // namespace rseq::explain
