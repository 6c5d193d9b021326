// SPDX-License-Identifier: GPL-2.0-or-later
#include "explain/reasons.h"

#include "core/escape.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <set>

namespace rseq::explain {

namespace {

using snapshot::Process;

std::string in_proc(const Findings& evidence, std::string_view file) {
    return fmt::format("/proc/{}/{}", evidence.process.key.pid, file);
}

Reason not_known(std::string_view about, const Error& error, std::string source) {
    return {about, "not known: " + error.message(), std::move(source), false};
}

std::string lengths_of(const Process& process) {
    std::set<std::uint32_t> lengths;
    for (const snapshot::Thread& thread : process.thread_list) {
        if (thread.length > 0) {
            lengths.insert(thread.length);
        }
    }
    if (lengths.empty()) {
        return {};
    }
    return fmt::format(", {} bytes", fmt::join(lengths, " and "));
}

Reason registration(const Findings& evidence) {
    const Process& process = evidence.process;
    const auto& threads = process.threads;
    const std::string source = process.source == Evidence::procfs
                                   ? in_proc(evidence, "rseq")
                                   : std::string(to_string(process.source));
    if (process.mode() == Mode::unknown) {
        const std::string& why = evidence.process_unknown_reason;
        return {"registration",
                "not known" + (why.empty() ? "; --probe asks each thread" : ": " + why), source,
                false};
    }
    return {"registration",
            fmt::format("{} of {} threads registered{}", threads.v1 + threads.v2, threads.total(),
                        lengths_of(process)),
            source};
}

Reason kernel(const Findings& evidence) {
    const KernelFacts& facts = evidence.kernel;
    switch (facts.kernel_class) {
    case KernelClass::historical:
        return {"kernel", "every registration is v1", "behaviour"};
    case KernelClass::broken:
        return {"kernel", "every registration is optimized, and v1 guarantees are lost",
                "behaviour"};
    case KernelClass::dual:
        return {"kernel", "v1 up to 32 bytes, v2 beyond", "behaviour"};
    case KernelClass::unsupported:
        return {"kernel", "no restartable sequences", "behaviour"};
    case KernelClass::unknown:
        break;
    }
    return {"kernel", "not known: " + facts.class_reason, "behaviour", false};
}

Reason policy(const Findings& evidence) {
    if (evidence.kernel.abi == 0) {
        return {"policy", "this kernel has none", "/proc/self/rseq"};
    }
    if (!evidence.process.policy) {
        return {"policy", "not known", in_proc(evidence, "rseq"), evidence.process.kernel_thread};
    }
    return {"policy", to_string(*evidence.process.policy) + ", latched when it was executed",
            in_proc(evidence, "rseq")};
}

Reason auxv(const Findings& evidence) {
    std::string source = in_proc(evidence, "auxv");
    if (!evidence.auxv) {
        return not_known("auxv", evidence.auxv.error(), std::move(source));
    }
    const Auxv& vector = *evidence.auxv;
    if (!vector.rseq_feature_size) {
        return {"auxv",
                "no AT_RSEQ_FEATURE_SIZE: the program was offered nothing beyond the "
                "original 32 bytes",
                std::move(source)};
    }
    return {"auxv",
            fmt::format("AT_RSEQ_FEATURE_SIZE {}, AT_RSEQ_ALIGN {}: {}", *vector.rseq_feature_size,
                        vector.rseq_align.value_or(0),
                        *vector.rseq_feature_size > original_length
                            ? "v2 was offered"
                            : "no more than v1 was offered"),
            std::move(source)};
}

/// What a program says of the glibc in it besides, or instead of, the release.
std::string describe_registration(const Libc& libc) {
    if (libc.kind != LibcKind::glibc || !libc.version.empty()) {
        return {};
    }
    if (!libc.registers_rseq) {
        return "; whether it can register is not known";
    }
    return std::string(*libc.registers_rseq ? "; it can register" : "; it cannot register") +
           ", seen in " + libc.registers_seen_in;
}

std::string describe(const Libc& libc) {
    std::string text;
    switch (libc.kind) {
    case LibcKind::unknown:
        text = "none that was recognised";
        break;
    case LibcKind::none:
        text = "none: a Go program without C";
        break;
    case LibcKind::glibc:
    case LibcKind::musl:
        text = libc.kind == LibcKind::musl ? "musl" : "glibc";
        text += libc.version.empty() ? ", its file does not tell the version" : " " + libc.version;
        break;
    }
    if (!libc.banner.empty()) {
        text += " (" + libc.banner + ")";
    }
    if (!libc.is_static) {
        return text;
    }
    text += ", in a static program";
    if (!libc.seen_in.empty()) {
        text += (libc.kind == LibcKind::unknown ? ": " : ", seen in ") + libc.seen_in;
    }
    return text + describe_registration(libc);
}

Reason libc(const Findings& evidence) {
    if (!evidence.libc) {
        return not_known("libc", evidence.libc.error(), in_proc(evidence, "maps"));
    }
    return {"libc", describe(*evidence.libc), evidence.libc->path,
            evidence.libc->kind != LibcKind::unknown};
}

Reason tunables(const Findings& evidence) {
    std::string source = in_proc(evidence, "environ");
    if (!evidence.tunable) {
        return not_known("tunables", evidence.tunable.error(), std::move(source));
    }
    if (!*evidence.tunable) {
        return {"tunables", "glibc.pthread.rseq is not set", std::move(source)};
    }
    const bool ignored = evidence.auxv && evidence.auxv->secure;
    return {"tunables",
            std::string("glibc.pthread.rseq=") + (**evidence.tunable ? "1" : "0") +
                (ignored ? ", ignored because the program gained privileges (AT_SECURE)" : ""),
            std::move(source)};
}

Reason registrant_reason(const Findings& evidence, Registrant registrant) {
    const std::string source = evidence.glibc_size ? in_proc(evidence, "mem") : "libc, tunables";
    const std::string size =
        evidence.glibc_size ? fmt::format(" (__rseq_size {})", *evidence.glibc_size) : "";
    switch (registrant) {
    case Registrant::glibc:
        return {"registrant", "glibc, in its own area" + size, source};
    case Registrant::program:
        return {"registrant", "the program or a library, in an area other than glibc's" + size,
                source};
    case Registrant::nobody:
        return {"registrant", "nobody" + size, source};
    case Registrant::unknown:
        break;
    }
    const std::string why = evidence.glibc_size ? "" : ": " + evidence.glibc_size.error().message();
    return {"registrant", "not known" + why, source, false};
}

void add_tcmalloc(const Findings& evidence, std::vector<Reason>& reasons) {
    if (!evidence.tcmalloc) {
        reasons.push_back(
            not_known("tcmalloc", evidence.tcmalloc.error(), in_proc(evidence, "maps")));
        return;
    }
    for (const std::string& path : *evidence.tcmalloc) {
        reasons.push_back({"tcmalloc", "a TCMalloc that uses rseq is mapped", path});
    }
}

void add_seccomp(const Findings& evidence, std::vector<Reason>& reasons) {
    std::string source = in_proc(evidence, "status");
    if (!evidence.seccomp) {
        reasons.push_back(not_known("seccomp", evidence.seccomp.error(), std::move(source)));
    } else if (evidence.seccomp->mode != 0) {
        const std::uint32_t filters = evidence.seccomp->filters;
        reasons.push_back({"seccomp",
                           filters > 0 ? fmt::format("{} system call filters in force", filters)
                                       : std::string("system call filters in force"),
                           std::move(source)});
    }
}

std::string cause_of(int error, const Findings& evidence) {
    switch (error) {
    case EBUSY:
        return "this very area is registered already";
    case EINVAL:
        return "another area is registered already, or the length or alignment is wrong";
    case EPERM:
        return "registered already, with another signature";
    case ENOSYS:
        return evidence.process.policy && evidence.process.policy->mode == PolicyMode::off
                   ? "by policy"
                   : "by policy, or the kernel has no rseq(2)";
    default:
        return "the kernel's reason is not documented";
    }
}

void add_refusals(const Findings& evidence, std::vector<Reason>& reasons) {
    if (!evidence.refusals) {
        reasons.push_back({"refusals", "not known: " + evidence.refusals.error().message(),
                           "rseq-compatd", false});
        return;
    }
    for (const Refusal& refusal : *evidence.refusals) {
        reasons.push_back(
            {"refusals",
             fmt::format("thread {} asked for {} bytes: {} ({})", refusal.tid, refusal.length,
                         errno_name(refusal.error), cause_of(refusal.error, evidence)),
             "rseq-compatd"});
    }
    if (evidence.refusals->empty()) {
        reasons.push_back({"refusals", "none seen", "rseq-compatd"});
    }
}

bool can_be_held(const Process& process) {
    return process.unit.manager == proc::Manager::system && process.unit.name.ends_with(".service");
}

/// The command that sets something for the unit of the process, or for it when it is started anew.
std::string set(const Process& process, const std::string& setting) {
    if (can_be_held(process)) {
        const std::string unit = shell_word(process.unit.name);
        return fmt::format("rseqctl policy set {} {} && systemctl restart {}", unit, setting, unit);
    }
    return fmt::format("rseqctl run {} -- COMMAND...", setting);
}

} // namespace

std::vector<Reason> reasons_of(const Findings& evidence, Registrant registrant) {
    if (evidence.process.kernel_thread) {
        return {kernel(evidence), registration(evidence)};
    }
    std::vector<Reason> reasons{kernel(evidence), registration(evidence), policy(evidence),
                                auxv(evidence), libc(evidence)};
    if (!evidence.libc || evidence.libc->kind == LibcKind::glibc ||
        evidence.libc->kind == LibcKind::unknown) {
        reasons.push_back(tunables(evidence));
    }
    reasons.push_back(registrant_reason(evidence, registrant));
    add_tcmalloc(evidence, reasons);
    add_seccomp(evidence, reasons);
    add_refusals(evidence, reasons);
    return reasons;
}

std::vector<Remedy> remedies_of(const Findings& evidence, bool tunable_off, Registrant registrant) {
    const Process& process = evidence.process;
    std::vector<Remedy> remedies;
    if (process.kernel_thread || evidence.kernel.kernel_class == KernelClass::unsupported) {
        return remedies;
    }
    const bool held = process.policy && process.policy->mode != PolicyMode::automatic;
    if (held) {
        const std::string unit = shell_word(process.unit.name);
        remedies.push_back({"to see who asks for this policy", "rseqctl policy list"});
        if (can_be_held(process)) {
            remedies.push_back(
                {"to let it choose again, if the policy was set for this unit",
                 fmt::format("rseqctl policy unset {} && systemctl restart {}", unit, unit)});
        }
        return remedies;
    }
    const bool by_glibc = registrant == Registrant::glibc;
    if (process.mode() == Mode::none && tunable_off && can_be_held(process)) {
        remedies.push_back({"to let glibc register", set(process, "--glibc on")});
    }
    if (process.mode() == Mode::v2 && evidence.kernel.abi > 0) {
        remedies.push_back({"to have it in v1", set(process, "--mode legacy")});
    }
    // On a broken kernel what glibc keeps from registering is kept from harm.
    if (by_glibc && evidence.kernel.abi == 0 && can_be_held(process) &&
        evidence.kernel.kernel_class != KernelClass::broken) {
        remedies.push_back({"to keep glibc from registering, so that the program can do it",
                            set(process, "--glibc off")});
    }
    if (process.mode() == Mode::v1 && by_glibc &&
        evidence.kernel.kernel_class == KernelClass::dual) {
        remedies.push_back({"to have it in v2, run it with glibc 2.41 or later", ""});
    }
    return remedies;
}

} // namespace rseq::explain
