// SPDX-License-Identifier: GPL-2.0-or-later
// What is made of the daemon's properties and events, and of types that are not documented.
#include "unit/bus_decode_fixture.h"

#include <cerrno>
#include <optional>

using namespace rseq;
using namespace rseq::cli;

namespace {

constexpr const char* processes_type = "a(utbayaysss(uuuu)susss)";
constexpr const char* event_type = "stuuaysa{sv}";

} // namespace

TEST_F(BusDecode, PropertiesTellOfTheDaemonAndTheKernel) {
    const auto facts = decode_properties(
        message("a{sv}", 6, "Version", "s", "0.1.0", "Registrations", "t", std::uint64_t{1},
                "Events", "s", "rseq", "UnknownReason", "s", "no BPF", "Processes", "a{su}", 1,
                "v1", 3U, "Kernel", "a{sv}", 9, "release", "s", "7.3.4", "class", "s", "dual",
                "class_reason", "s", "both seen", "feature_size", "u", 33U, "alignment", "u", 64U,
                "slices", "s", "no", "slices_reason", "s", "off at boot", "abi", "u", 1U, "later",
                "ai", 2, 1, 2)
            .get());
    ASSERT_TRUE(facts) << facts.error().message();
    EXPECT_EQ(facts->version, "0.1.0");
    EXPECT_EQ(facts->events, "rseq");
    EXPECT_EQ(facts->unknown_reason, "no BPF");
    EXPECT_EQ(facts->kernel.release, "7.3.4");
    EXPECT_EQ(facts->kernel.kernel_class, KernelClass::dual);
    EXPECT_EQ(facts->kernel.class_reason, "both seen");
    EXPECT_EQ(facts->kernel.feature_size, 33U);
    EXPECT_EQ(facts->kernel.alignment, 64U);
    EXPECT_EQ(facts->kernel.slices, Availability::no);
    EXPECT_EQ(facts->kernel.slices_reason, "off at boot");
    EXPECT_EQ(facts->kernel.abi, 1U);
}

TEST_F(BusDecode, AClassOfALaterDaemonIsUnknownAndSaysSo) {
    const auto facts =
        decode_properties(message("a{sv}", 2, "Version", "s", "9", "Kernel", "a{sv}", 3, "release",
                                  "s", "9.0", "class", "s", "quad", "slices", "s", "perhaps")
                              .get());
    ASSERT_TRUE(facts);
    EXPECT_EQ(facts->kernel.kernel_class, KernelClass::unknown);
    EXPECT_NE(facts->kernel.class_reason.find("quad"), std::string::npos);
    EXPECT_EQ(facts->kernel.slices, Availability::unknown);
}

TEST_F(BusDecode, PropertiesOfOtherTypesOrWithoutTheKernelAreRefused) {
    EXPECT_EQ(code_of(decode_properties(message("a{sv}", 1, "Version", "s", "1").get())), EPROTO);
    EXPECT_EQ(code_of(decode_properties(message("a{sv}", 1, "Kernel", "a{sv}", 2, "release", "s",
                                                "7.3", "class", "s", "dual")
                                            .get())),
              EPROTO);
    EXPECT_EQ(code_of(decode_properties(
                  message("a{sv}", 2, "Version", "u", 1U, "Kernel", "a{sv}", 0).get())),
              EPROTO);
    EXPECT_EQ(code_of(decode_properties(
                  message("a{sv}", 2, "Version", "s", "1", "Kernel", "s", "a kernel").get())),
              EPROTO);
    EXPECT_EQ(code_of(decode_properties(message("a{sv}", 2, "Version", "s", "1", "Kernel", "a{sv}",
                                                3, "release", "s", "7.3", "class", "s", "dual",
                                                "abi", "s", "one")
                                            .get())),
              EPROTO);
}

TEST_F(BusDecode, AnEventHasTheDetailsOfItsKind) {
    const auto event = decode_event(
        message(event_type, "violation", std::uint64_t{1'700'000'000'000'001}, 42U, 43U, 2, 'a',
                0xff, "mongod.service", 6, "reason", "s", "cpu_id_start", "version", "y", 2,
                "expected", "t", std::uint64_t{3}, "found", "t", ~std::uint64_t{0}, "ip", "t",
                std::uint64_t{4096}, "later", "as", 1, "x")
            .get());
    ASSERT_TRUE(event) << event.error().message();
    ASSERT_TRUE(*event);
    const BusEvent& violation = **event;
    EXPECT_EQ(violation.kind, EventKind::violation);
    EXPECT_EQ(violation.time_usec, 1'700'000'000'000'001U);
    EXPECT_EQ(violation.pid, 42);
    EXPECT_EQ(violation.tid, 43);
    EXPECT_EQ(violation.comm, "a\xff");
    EXPECT_EQ(violation.unit, "mongod.service");
    EXPECT_EQ(violation.details.reason, "cpu_id_start");
    EXPECT_EQ(violation.details.expected, 3U);
    EXPECT_EQ(violation.details.found, ~std::uint64_t{0});
    EXPECT_EQ(violation.details.ip, 4096U);
    EXPECT_EQ(violation.mode(), Mode::v2);
}

TEST_F(BusDecode, DetailsOfEveryOtherKindAreRead) {
    const auto attempt =
        decode_event(message(event_type, "refusal", std::uint64_t{1}, 1U, 1U, 0, "", 5, "length",
                             "u", 32U, "mode", "s", "none", "flags", "i", -1, "signature", "u",
                             0x53053053U, "errno", "i", 16)
                         .get());
    ASSERT_TRUE(attempt && *attempt);
    EXPECT_EQ((*attempt)->details.length, 32U);
    EXPECT_EQ((*attempt)->details.mode, Mode::none);
    EXPECT_EQ((*attempt)->details.flags, -1);
    EXPECT_EQ((*attempt)->details.signature, 0x53053053U);
    EXPECT_EQ((*attempt)->details.error, 16);
    const auto rest = decode_event(message(event_type, "slice", std::uint64_t{1}, 1U, 1U, 0, "", 4,
                                           "what", "s", "yield", "ns", "t", std::uint64_t{5},
                                           "policy", "s", "off deny", "filename", "ay", 1, '/')
                                       .get());
    ASSERT_TRUE(rest && *rest);
    EXPECT_EQ((*rest)->details.what, "yield");
    EXPECT_EQ((*rest)->details.ns, 5U);
    EXPECT_EQ((*rest)->details.policy, (Policy{PolicyMode::off, PolicySlice::deny}));
    EXPECT_EQ((*rest)->details.filename, "/");
}

TEST_F(BusDecode, AnEventOfAnUnknownProcessIsOne) {
    const auto event =
        decode_event(message(event_type, "exit", std::uint64_t{1}, 0U, 7U, 0, "", 0).get());
    ASSERT_TRUE(event && *event);
    EXPECT_EQ((*event)->pid, 0);
    EXPECT_EQ(code_of(decode_event(
                  message(event_type, "exit", std::uint64_t{1}, ~0U, 7U, 0, "", 0).get())),
              EPROTO);
}

TEST_F(BusDecode, AKindOfALaterDaemonIsPassedOver) {
    const auto event = decode_event(
        message(event_type, "teleport", std::uint64_t{1}, 1U, 1U, 0, "", 1, "length", "s", "long")
            .get());
    ASSERT_TRUE(event);
    EXPECT_FALSE(*event);
}

TEST_F(BusDecode, DetailsOfOtherTypesAreRefused) {
    for (const char* name : {"length", "mode", "flags", "signature", "errno", "policy", "reason",
                             "version", "expected", "found", "ip", "filename", "what", "ns"}) {
        EXPECT_EQ(code_of(decode_event(message(event_type, "registration", std::uint64_t{1}, 1U, 1U,
                                               0, "", 1, name, "as", 1, "x")
                                           .get())),
                  EPROTO)
            << name;
    }
}

TEST_F(BusDecode, LostEventsAreANumber) {
    const auto lost = decode_lost(message("t", ~std::uint64_t{0}).get());
    ASSERT_TRUE(lost);
    EXPECT_EQ(lost->count, ~std::uint64_t{0});
}

TEST_F(BusDecode, OtherTypesThanDocumentedAreRefused) {
    EXPECT_EQ(code_of(decode_processes(message("s", "v1").get())), EPROTO);
    EXPECT_EQ(code_of(decode_processes(message("").get())), EPROTO);
    EXPECT_EQ(code_of(decode_processes(threads({{}}).get())), EPROTO);
    EXPECT_EQ(code_of(decode_processes(
                  message((std::string(processes_type) + "s").c_str(), 0, "more").get())),
              EPROTO);
    EXPECT_EQ(code_of(decode_processes(message("a(u)", 1, 42U).get())), EPROTO);
    std::vector<snapshot::Process> none;
    EXPECT_EQ(code_of(decode_threads(processes({{}}).get(), none)), EPROTO);
    EXPECT_EQ(code_of(decode_properties(message("a{ss}", 1, "Version", "1").get())), EPROTO);
    EXPECT_EQ(
        code_of(decode_event(message("stuuays", "exit", std::uint64_t{1}, 1U, 1U, 0, "").get())),
        EPROTO);
    EXPECT_EQ(code_of(decode_lost(message("u", 1U).get())), EPROTO);
}
