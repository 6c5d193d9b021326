// SPDX-License-Identifier: GPL-2.0-or-later
// Which conclusion follows from which evidence, and that none follows from too little.
#include "explain/explain.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>
#include <string>

using namespace rseq;
using namespace rseq::explain;

namespace {

bool contains(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}

/// A process with glibc on a kernel with both modes and policies, of which everything is known.
Findings glibc_process(const std::string& version, Mode mode, std::uint32_t size) {
    Findings evidence;
    evidence.kernel.kernel_class = KernelClass::dual;
    evidence.kernel.feature_size = 33;
    evidence.kernel.abi = 1;
    evidence.process.key = {42, 1};
    evidence.process.threads.add(mode, 2);
    evidence.process.source = Evidence::procfs;
    evidence.process.policy = Policy();
    evidence.process.unit = proc::unit_of_cgroup("/system.slice/x.service");
    evidence.auxv = Auxv{33, 64, false};
    evidence.libc = Libc{LibcKind::glibc,
                         false,
                         version,
                         "Debian GLIBC",
                         true,
                         "/lib/libc.so.6",
                         "its description of itself",
                         ""};
    evidence.tunable = std::optional<bool>();
    evidence.glibc_size = size;
    evidence.tcmalloc = std::vector<std::string>();
    evidence.seccomp = Seccomp();
    evidence.refusals = std::vector<Refusal>();
    return evidence;
}

const Reason& reason(const Explanation& explanation, std::string_view about) {
    const auto found = std::find_if(explanation.reasons.begin(), explanation.reasons.end(),
                                    [&](const Reason& one) { return one.about == about; });
    EXPECT_NE(found, explanation.reasons.end()) << about;
    return *found;
}

bool has_command(const Explanation& explanation, const std::string& command) {
    return std::any_of(explanation.remedies.begin(), explanation.remedies.end(),
                       [&](const Remedy& remedy) { return remedy.command == command; });
}

TEST(Explain, GlibcBefore241Registers32Bytes) {
    const auto told = explain::explain(glibc_process("2.36", Mode::v1, 20));
    EXPECT_EQ(told.registrant, Registrant::glibc);
    EXPECT_TRUE(
        contains(told.conclusion, "glibc 2.36 registered 32 bytes, as every release before"));
}

TEST(Explain, GlibcSince241RegistersAllAndCanBePinned) {
    const auto told = explain::explain(glibc_process("2.41", Mode::v2, 33));
    EXPECT_EQ(told.registrant, Registrant::glibc);
    EXPECT_TRUE(contains(told.conclusion, "glibc 2.41 registered all"));
    EXPECT_TRUE(has_command(
        told, "rseqctl policy set x.service --mode legacy && systemctl restart x.service"));
}

TEST(Explain, AProgramIsLetRegisterItselfOnlyWhereV1IsKept) {
    const std::string command =
        "rseqctl policy set x.service --glibc off && systemctl restart x.service";
    auto evidence = glibc_process("2.41", Mode::v2, 33);
    evidence.kernel.abi = 0;
    EXPECT_TRUE(has_command(explain::explain(evidence), command));
    evidence.kernel.kernel_class = KernelClass::broken;
    EXPECT_FALSE(has_command(explain::explain(evidence), command));
}

TEST(Explain, ReleasesOfGlibcDifferFrom235And241On) {
    for (const char* version : {"2.41", "2.42", "3.0"}) {
        EXPECT_TRUE(contains(explain::explain(glibc_process(version, Mode::v2, 33)).conclusion,
                             "as every release since 2.41 does"))
            << version;
        EXPECT_FALSE(
            contains(explain::explain(glibc_process(version, Mode::v1, 20)).conclusion, "before"))
            << version;
    }
    EXPECT_TRUE(contains(explain::explain(glibc_process("2.40", Mode::v1, 20)).conclusion,
                         "as every release before 2.41 does"));
    auto refused = glibc_process("2.35", Mode::none, 0);
    refused.seccomp = Seccomp{2, 1};
    EXPECT_TRUE(contains(explain::explain(refused).conclusion, "seccomp"));
    refused.libc->version = "2.34";
    EXPECT_TRUE(contains(explain::explain(refused).conclusion, "glibc 2.34 does not register"));
}

TEST(Explain, WhoRegisteredFollowsFromTheTunableWhereMemoryCannotBeRead) {
    auto evidence = glibc_process("2.41", Mode::v1, 0);
    evidence.glibc_size = fail(EACCES, "cannot read the memory of the process");
    EXPECT_EQ(explain::explain(evidence).registrant, Registrant::unknown);
    evidence.tunable = std::optional<bool>(false);
    EXPECT_EQ(explain::explain(evidence).registrant, Registrant::program);
    // Without auxv nobody knows whether the tunable was heard.
    evidence.auxv = fail(EACCES, "cannot read auxv");
    EXPECT_EQ(explain::explain(evidence).registrant, Registrant::unknown);
}

TEST(Explain, NobodyIsSaidToHaveRegisteredInAnUnknownMode) {
    EXPECT_EQ(explain::explain(glibc_process("2.41", Mode::unknown, 33)).registrant,
              Registrant::unknown);
}

TEST(Explain, NamesOfUnitsAreQuotedInCommands) {
    auto evidence = glibc_process("2.41", Mode::v2, 33);
    evidence.process.unit = {proc::Manager::system, "a'; reboot #.service", ""};
    const auto told = explain::explain(evidence);
    ASSERT_FALSE(told.remedies.empty());
    EXPECT_TRUE(contains(told.remedies[0].command, "'a'\\''; reboot #.service'"));
}

TEST(Explain, AStaticGlibcOfUnknownVersionIsNotDated) {
    auto evidence = glibc_process("", Mode::v1, 20);
    evidence.libc->is_static = true;
    const auto told = explain::explain(evidence);
    EXPECT_EQ(told.conclusion, "the static glibc registered 32 bytes");
}

TEST(Explain, ThePolicyLegacyComesBeforeTheLibrary) {
    auto evidence = glibc_process("2.41", Mode::v1, 20);
    evidence.process.policy = Policy{PolicyMode::legacy, PolicySlice::allow};
    const auto told = explain::explain(evidence);
    EXPECT_TRUE(contains(told.conclusion, "the policy 'legacy'"));
    EXPECT_TRUE(has_command(told, "rseqctl policy unset x.service && systemctl restart x.service"));
}

TEST(Explain, ThePolicyOffLeavesNobodyRegistered) {
    auto evidence = glibc_process("2.41", Mode::none, 0);
    evidence.process.policy = Policy{PolicyMode::off, PolicySlice::allow};
    evidence.refusals = std::vector<Refusal>{{1, 42, ENOSYS, 33}};
    const auto told = explain::explain(evidence);
    EXPECT_EQ(told.registrant, Registrant::nobody);
    EXPECT_TRUE(contains(told.conclusion, "the policy 'off'"));
    EXPECT_TRUE(contains(reason(told, "refusals").text, "ENOSYS (by policy)"));
}

TEST(Explain, TheTunableKeepsGlibcFromRegistering) {
    auto evidence = glibc_process("2.41", Mode::none, 0);
    evidence.tunable = std::optional<bool>(false);
    EXPECT_TRUE(contains(explain::explain(evidence).conclusion, "glibc.pthread.rseq=0"));
}

TEST(Explain, TheTunableOfAPrivilegedProgramIsIgnored) {
    auto evidence = glibc_process("2.41", Mode::none, 0);
    evidence.tunable = std::optional<bool>(false);
    evidence.auxv->secure = true;
    const auto told = explain::explain(evidence);
    EXPECT_EQ(told.conclusion, "");
    EXPECT_TRUE(contains(reason(told, "tunables").text, "ignored"));
}

TEST(Explain, AProgramThatGlibcLeavesAloneRegisteredItself) {
    auto evidence = glibc_process("2.41", Mode::v1, 0);
    evidence.tunable = std::optional<bool>(false);
    const auto told = explain::explain(evidence);
    EXPECT_EQ(told.registrant, Registrant::program);
    EXPECT_TRUE(contains(told.conclusion, "the program registered 32 bytes itself"));

    evidence.tcmalloc = std::vector<std::string>{"/usr/bin/mongod"};
    EXPECT_TRUE(contains(explain::explain(evidence).conclusion, "TCMalloc"));
}

TEST(Explain, MuslDoesNotRegister) {
    auto evidence = glibc_process("", Mode::none, 0);
    evidence.libc =
        Libc{LibcKind::musl, false, "1.2.3", "", {}, "/lib/ld-musl-x86_64.so.1", "", ""};
    evidence.glibc_size = fail(0, "there is no glibc");
    EXPECT_TRUE(contains(explain::explain(evidence).conclusion, "musl 1.2.3 does not register"));
    evidence.process.threads = {.v1 = 1};
    EXPECT_EQ(explain::explain(evidence).registrant, Registrant::program);
}

TEST(Explain, AFilterIsConcludedOnlyIfNothingElseIsLeft) {
    auto evidence = glibc_process("2.41", Mode::none, 0);
    evidence.seccomp = Seccomp{2, 1};
    EXPECT_TRUE(contains(explain::explain(evidence).conclusion, "seccomp"));

    auto refused = evidence;
    refused.refusals = std::vector<Refusal>{{1, 42, EINVAL, 33}};
    EXPECT_TRUE(contains(explain::explain(refused).conclusion, "the kernel refused: EINVAL"));

    auto unread = evidence;
    unread.tunable = fail(EACCES, "cannot open environ");
    EXPECT_EQ(explain::explain(unread).conclusion, "");

    auto without = evidence;
    without.seccomp = Seccomp();
    EXPECT_EQ(explain::explain(without).conclusion, "");
}

TEST(Explain, AFilterOfAnotherKindIsNotToBlame) {
    auto evidence = glibc_process("2.41", Mode::none, 0);
    evidence.seccomp = Seccomp{1, 0}; // strict: the process would have been killed
    EXPECT_EQ(explain::explain(evidence).conclusion, "");
    evidence.seccomp = Seccomp{2, 1};
    evidence.kernel.feature_size = 0; // nor was rseq offered
    EXPECT_EQ(explain::explain(evidence).conclusion, "");
}

TEST(Explain, WhatCannotRegisterNeedsNoLibrary) {
    auto thread = glibc_process("2.41", Mode::none, 0);
    thread.process.kernel_thread = true;
    EXPECT_TRUE(contains(explain::explain(thread).conclusion, "a kernel thread"));
    EXPECT_TRUE(explain::explain(thread).remedies.empty());
    EXPECT_EQ(explain::explain(thread).reasons.size(), 2U);
    auto old = glibc_process("2.41", Mode::none, 0);
    old.kernel.kernel_class = KernelClass::unsupported;
    EXPECT_TRUE(contains(explain::explain(old).conclusion, "no rseq(2)"));
    EXPECT_TRUE(explain::explain(old).remedies.empty());
}

TEST(Explain, WhatIsNotKnownIsNamed) {
    Findings evidence;
    evidence.kernel.kernel_class = KernelClass::dual;
    evidence.process.threads.add(Mode::v1, 1);
    const auto told = explain::explain(evidence);
    EXPECT_EQ(told.registrant, Registrant::unknown);
    EXPECT_EQ(told.conclusion, "");
    for (const std::string about : {"auxv", "libc", "tunables", "registrant", "refusals"}) {
        EXPECT_TRUE(std::any_of(told.unknown.begin(), told.unknown.end(), [&](const auto& part) {
            return part.starts_with(about + ": ");
        })) << about;
    }
}

TEST(Explain, AStaticProgramWithoutAKnownLibraryIsNotExplained) {
    auto evidence = glibc_process("", Mode::none, 0);
    evidence.libc = Libc{LibcKind::unknown, true, "", "", {}, "/bin/x", "it is too large", ""};
    const auto told = explain::explain(evidence);
    EXPECT_EQ(told.conclusion, "");
    EXPECT_FALSE(told.unknown.empty());
    EXPECT_EQ(reason(told, "libc").text,
              "none that was recognised, in a static program: it is too large");
    EXPECT_FALSE(reason(told, "libc").known);
}

/// A static program whose list of tunables was seen, on which the kernel has no registration.
Findings static_glibc_process(std::optional<bool> registers) {
    auto evidence = glibc_process("", Mode::none, 0);
    evidence.glibc_size = fail(0, "there is no symbol __rseq_size in /bin/x");
    evidence.libc = Libc{LibcKind::glibc,        true,       "", "", registers, "/bin/x",
                         "its list of tunables", "its texts"};
    return evidence;
}

TEST(Explain, AStaticGlibcWithoutTheCodeDoesNotRegister) {
    auto evidence = static_glibc_process(false);
    auto told = explain::explain(evidence);
    EXPECT_EQ(reason(told, "libc").text,
              "glibc, its file does not tell the version, in a static program, seen in its list of "
              "tunables; it cannot register, seen in its texts");
    EXPECT_TRUE(contains(told.conclusion, "the static glibc does not register"));
    evidence.process.threads = {.v1 = 1};
    EXPECT_EQ(explain::explain(evidence).registrant, Registrant::program);
}

/// Distributions have put the code into older releases, where it waits to be asked.
TEST(Explain, AStaticGlibcOfUnknownReleaseMayWaitToBeAsked) {
    auto evidence = static_glibc_process(true);
    evidence.glibc_size = 0U;
    evidence.seccomp = Seccomp{2, 1};
    const auto told = explain::explain(evidence);
    EXPECT_TRUE(contains(reason(told, "libc").text, "; it can register, seen in its texts"));
    EXPECT_EQ(told.conclusion, "");
    ASSERT_EQ(told.unknown.size(), 1U);
    EXPECT_TRUE(contains(told.unknown[0], "libc: of which release the glibc is"));

    auto asked = evidence;
    asked.tunable = std::optional<bool>(true);
    EXPECT_TRUE(contains(explain::explain(asked).conclusion, "seccomp"));
    asked.auxv->secure = true; // nobody was heard
    EXPECT_EQ(explain::explain(asked).conclusion, "");
    auto forbidden = evidence;
    forbidden.tunable = std::optional<bool>(false);
    EXPECT_TRUE(contains(explain::explain(forbidden).conclusion, "glibc.pthread.rseq=0"));
    auto dated = evidence;
    dated.libc->version = "2.36";
    EXPECT_TRUE(contains(explain::explain(dated).conclusion, "seccomp"));
}

TEST(Explain, AStaticGlibcMayNotTellWhetherItRegisters) {
    const auto told = explain::explain(static_glibc_process(std::nullopt));
    EXPECT_TRUE(contains(reason(told, "libc").text, "; whether it can register is not known"));
    EXPECT_EQ(told.conclusion, "");
}

TEST(Explain, AStaticGlibcOfKnownReleaseIsDated) {
    auto evidence = static_glibc_process(true);
    evidence.libc->version = "2.36";
    EXPECT_EQ(reason(explain::explain(evidence), "libc").text,
              "glibc 2.36, in a static program, seen in its list of tunables");
}

TEST(Explain, AGoProgramDoesNotRegister) {
    auto evidence = static_glibc_process(std::nullopt);
    evidence.libc = Libc{LibcKind::none, true, "", "", {}, "/bin/x", "Go's build information", ""};
    const auto told = explain::explain(evidence);
    EXPECT_EQ(told.registrant, Registrant::nobody);
    EXPECT_TRUE(contains(told.conclusion, "a Go program without C has no C library"));
    EXPECT_EQ(reason(told, "libc").text,
              "none: a Go program without C, in a static program, seen in Go's build information");
    EXPECT_TRUE(reason(told, "libc").known);
    EXPECT_TRUE(std::none_of(told.reasons.begin(), told.reasons.end(),
                             [](const Reason& one) { return one.about == "tunables"; }));
    evidence.process.threads = {.v2 = 1};
    EXPECT_EQ(explain::explain(evidence).registrant, Registrant::program);
}

TEST(Explain, AKernelOfOneModeDecidesByItself) {
    auto evidence = glibc_process("2.41", Mode::v1, 20);
    evidence.kernel.kernel_class = KernelClass::historical;
    EXPECT_TRUE(contains(explain::explain(evidence).conclusion, "every registration as v1"));
    evidence.kernel.kernel_class = KernelClass::broken;
    EXPECT_TRUE(contains(explain::explain(evidence).conclusion, "as optimized"));
}

TEST(Explain, AnEndedRegistrationIsTold) {
    EXPECT_TRUE(contains(explain::explain(glibc_process("2.41", Mode::none, 33)).conclusion,
                         "was ended since"));
    auto evidence = glibc_process("2.41", Mode::none, 33);
    evidence.tunable = std::optional<bool>(false); // which it did not follow
    EXPECT_TRUE(contains(explain::explain(evidence).conclusion, "was ended since"));
}

TEST(Explain, WhatWasOfferedIsInTheAuxiliaryVector) {
    auto evidence = glibc_process("2.41", Mode::v1, 20);
    EXPECT_EQ(explain::explain(evidence).conclusion, "glibc 2.41 registered 32 bytes");
    EXPECT_TRUE(contains(reason(explain::explain(evidence), "auxv").text, ": v2 was offered"));
    evidence.auxv->rseq_feature_size = 32;
    EXPECT_TRUE(contains(reason(explain::explain(evidence), "auxv").text, "no more than v1"));
    evidence.auxv->rseq_feature_size.reset();
    EXPECT_TRUE(contains(explain::explain(evidence).conclusion, "was told of no more than 32"));
    evidence.libc->version = "2.40";
    EXPECT_TRUE(contains(explain::explain(evidence).conclusion, "as every release before 2.41"));
}

TEST(Explain, AProgramMayRegisterMore) {
    auto evidence = glibc_process("2.41", Mode::v2, 0);
    EXPECT_TRUE(contains(explain::explain(evidence).conclusion, "more than 32 bytes itself"));
    evidence = glibc_process("2.40", Mode::v2, 33);
    EXPECT_FALSE(contains(explain::explain(evidence).conclusion, "as every release since"));
}

TEST(Explain, TheTunableCanBeSetForAUnit) {
    auto evidence = glibc_process("2.41", Mode::none, 0);
    EXPECT_FALSE(
        has_command(explain::explain(evidence),
                    "rseqctl policy set x.service --glibc on && systemctl restart x.service"));
    evidence.tunable = std::optional<bool>(false);
    EXPECT_TRUE(
        has_command(explain::explain(evidence),
                    "rseqctl policy set x.service --glibc on && systemctl restart x.service"));
}

TEST(Explain, RefusedAttemptsHaveTheirMeaning) {
    auto evidence = glibc_process("2.41", Mode::v2, 33);
    evidence.refusals = std::vector<Refusal>{{1, 43, EBUSY, 32}};
    EXPECT_TRUE(contains(reason(explain::explain(evidence), "refusals").text,
                         "thread 43 asked for 32 bytes: EBUSY (this very area is registered"));
}

} // namespace
