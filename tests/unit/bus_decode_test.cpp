// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/bus_decode.h"
#include "cli/message_reader.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdarg>
#include <optional>
#include <string>
#include <vector>

using namespace rseq;
using namespace rseq::cli;

namespace {

constexpr const char* processes_type = "a(utbayaysss(uuuu)susss)";
constexpr const char* threads_type = "a(uuaysus)";
constexpr const char* event_type = "stuuaysa{sv}";

template <class T>
int code_of(const Result<T>& result) {
    return result ? 0 : result.error().code;
}

/// Makes messages, of a connection whose other end nobody reads.
class BusDecode : public testing::Test {
protected:
    void SetUp() override {
        std::array<int, 2> ends{};
        ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends.data()), 0);
        other_end_ = ends[1];
        ASSERT_GE(sd_bus_new(&bus_), 0);
        ASSERT_GE(sd_bus_set_fd(bus_, ends[0], ends[0]), 0);
        ASSERT_GE(sd_bus_start(bus_), 0);
    }
    void TearDown() override {
        sd_bus_close_unref(bus_);
        ::close(other_end_);
    }

    Message empty() {
        sd_bus_message* message = nullptr;
        EXPECT_GE(sd_bus_message_new_signal(bus_, &message, "/o", "i.i", "M"), 0);
        return Message(message);
    }

    /// As it would be read by the receiver.
    static Message sealed(Message message) {
        EXPECT_GE(sd_bus_message_seal(message.get(), 1, 0), 0);
        EXPECT_GE(sd_bus_message_rewind(message.get(), 1), 0);
        return message;
    }

    Message message(const char* types, ...) {
        Message made = empty();
        std::va_list arguments;
        va_start(arguments, types);
        EXPECT_GE(sd_bus_message_appendv(made.get(), types, arguments), 0);
        va_end(arguments);
        return sealed(std::move(made));
    }

    struct ProcessRow {
        std::uint32_t pid = 42;
        std::string comm = "mongod";
        std::string cgroup = "/system.slice/mongod.service";
        std::string unit = "mongod.service";
        std::string mode = "v1";
        std::string slice = "unavailable";
        std::array<std::uint32_t, 4> threads{2, 0, 1, 0};
        std::string policy = "legacy deny";
        std::string source = "procfs";
        std::string compliance = "no";
    };

    Message processes(const std::vector<ProcessRow>& rows) {
        Message made = empty();
        sd_bus_message* m = made.get();
        sd_bus_message_open_container(m, 'a', "(utbayaysss(uuuu)susss)");
        for (const ProcessRow& row : rows) {
            sd_bus_message_open_container(m, 'r', "utbayaysss(uuuu)susss");
            sd_bus_message_append(m, "utb", row.pid, std::uint64_t{900}, 0);
            sd_bus_message_append_array(m, 'y', row.comm.data(), row.comm.size());
            sd_bus_message_append_array(m, 'y', row.cgroup.data(), row.cgroup.size());
            sd_bus_message_append(m, "sss", row.unit.c_str(), row.mode.c_str(), row.slice.c_str());
            sd_bus_message_append(m, "(uuuu)", row.threads[0], row.threads[1], row.threads[2],
                                  row.threads[3]);
            sd_bus_message_append(m, "susss", row.policy.c_str(), 7U, row.source.c_str(),
                                  row.compliance.c_str(), "started before the rule");
            sd_bus_message_close_container(m);
        }
        sd_bus_message_close_container(m);
        return sealed(std::move(made));
    }

    /// The only process of a reply with this row.
    snapshot::Process process(const ProcessRow& row) {
        const auto decoded = decode_processes(processes({row}).get());
        EXPECT_TRUE(decoded);
        EXPECT_EQ(decoded->size(), 1U);
        return decoded->at(0);
    }

    struct ThreadRow {
        std::uint32_t pid = 42;
        std::uint32_t tid = 42;
        const char* mode = "v1";
        std::uint32_t length = 32;
    };

    Message threads(const std::vector<ThreadRow>& rows) {
        Message made = empty();
        sd_bus_message_open_container(made.get(), 'a', "(uuaysus)");
        for (const ThreadRow& row : rows) {
            sd_bus_message_append(made.get(), "(uuaysus)", row.pid, row.tid, 1, 'x', row.mode,
                                  row.length, "unavailable");
        }
        sd_bus_message_close_container(made.get());
        return sealed(std::move(made));
    }

private:
    sd_bus* bus_ = nullptr;
    int other_end_ = -1;
};

} // namespace

TEST_F(BusDecode, ProcessesAreWhatReadingTheKernelGives) {
    const snapshot::Process mongod = process({});
    EXPECT_EQ(mongod.key, (ProcessKey{42, 900}));
    EXPECT_FALSE(mongod.kernel_thread);
    EXPECT_EQ(mongod.comm, "mongod");
    EXPECT_EQ(mongod.cgroup, "/system.slice/mongod.service");
    EXPECT_EQ(mongod.unit, proc::unit_of_cgroup(mongod.cgroup));
    EXPECT_EQ(mongod.threads, (ModeCounts{.v1 = 2, .none = 1}));
    EXPECT_EQ(mongod.mode(), Mode::v1);
    EXPECT_EQ(mongod.slice, SliceState::unavailable);
    EXPECT_EQ(mongod.slice_enabled, 7U);
    EXPECT_EQ(mongod.policy, (Policy{PolicyMode::legacy, PolicySlice::deny}));
    EXPECT_EQ(mongod.source, Evidence::procfs);
}

TEST_F(BusDecode, ProcessesComeInTheOrderOfTheirNumbers) {
    const auto decoded = decode_processes(processes({{.pid = 7}, {.pid = 3}, {.pid = 5}}).get());
    ASSERT_TRUE(decoded);
    ASSERT_EQ(decoded->size(), 3U);
    EXPECT_EQ(decoded->at(0).key.pid, 3);
    EXPECT_EQ(decoded->at(2).key.pid, 7);
    EXPECT_TRUE(decode_processes(processes({}).get())->empty());
}

TEST_F(BusDecode, NamesAreBytes) {
    const std::string name("\xff\x1b[\0\n", 5);
    EXPECT_EQ(process({.comm = name}).comm, name);
}

TEST_F(BusDecode, WordsOfALaterDaemonMeanWhatIsUnknown) {
    const snapshot::Process later =
        process({.mode = "v3", .slice = "lent", .policy = "strict allow", .source = "telepathy"});
    EXPECT_EQ(later.mode(), Mode::unknown);
    EXPECT_EQ(later.threads, (ModeCounts{.unknown = 3}));
    EXPECT_EQ(later.slice, SliceState::unknown);
    EXPECT_EQ(later.policy, std::nullopt);
    EXPECT_EQ(later.source, Evidence::none);
}

TEST_F(BusDecode, AModeThatDoesNotFollowFromTheThreadsIsUnknown) {
    EXPECT_EQ(process({.mode = "v2"}).mode(), Mode::unknown);
    EXPECT_EQ(process({.mode = "unknown", .threads = {0, 0, 0, 0}}).mode(), Mode::unknown);
}

TEST_F(BusDecode, AKernelWithoutPoliciesHasNone) {
    EXPECT_EQ(process({.policy = ""}).policy, std::nullopt);
}

TEST_F(BusDecode, ProcessesSayWhetherTheyComply) {
    const snapshot::Process no = process({});
    EXPECT_EQ(no.compliant, false);
    EXPECT_EQ(no.compliance_reason, "started before the rule");
    EXPECT_EQ(process({.compliance = "yes"}).compliant, true);
    for (const char* const other : {"", "maybe"}) {
        EXPECT_EQ(process({.compliance = other}).compliant, std::nullopt) << other;
    }
}

TEST_F(BusDecode, NumbersThatCanBeNoProcessAreRefused) {
    for (const std::uint32_t pid : {0U, 0x80000000U, 0xffffffffU}) {
        EXPECT_EQ(code_of(decode_processes(processes({{.pid = pid}}).get())), EPROTO) << pid;
    }
    EXPECT_EQ(process({.pid = 0x7fffffff}).key.pid, 0x7fffffff);
}

TEST_F(BusDecode, NamesThatAreTooLongForTheKernelAreRefused) {
    EXPECT_EQ(process({.comm = std::string(256, 'a')}).comm.size(), 256U);
    EXPECT_EQ(code_of(decode_processes(processes({{.comm = std::string(257, 'a')}}).get())),
              EPROTO);
    EXPECT_EQ(code_of(decode_processes(processes({{.cgroup = std::string(5000, '/')}}).get())),
              EPROTO);
    EXPECT_EQ(code_of(decode_processes(processes({{.source = std::string(5000, 'a')}}).get())),
              EPROTO);
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

TEST_F(BusDecode, ThreadsGoToTheirProcessAndItsCountsFollowThem) {
    auto list =
        decode_processes(processes({{.pid = 42}, {.pid = 43, .threads = {9, 0, 0, 0}}}).get());
    ASSERT_TRUE(list);
    const auto reply = threads({{.pid = 43, .tid = 45, .mode = "none", .length = 0},
                                {.pid = 43, .tid = 43, .mode = "v2", .length = 33},
                                {.pid = 42, .tid = 42},
                                {.pid = 99, .tid = 99}});
    ASSERT_TRUE(decode_threads(reply.get(), *list));
    settle_threads(*list);
    ASSERT_EQ(list->size(), 2U);
    const snapshot::Process& second = list->at(1);
    EXPECT_EQ(second.threads, (ModeCounts{.v2 = 1, .none = 1}));
    ASSERT_EQ(second.thread_list.size(), 2U);
    EXPECT_EQ(second.thread_list[0].tid, 43);
    EXPECT_EQ(second.thread_list[0].length, 33U);
    EXPECT_EQ(second.thread_list[0].comm, "x");
    EXPECT_EQ(second.thread_list[1].mode, Mode::none);
}

TEST_F(BusDecode, AProcessWithoutThreadsHasEnded) {
    auto list = decode_processes(processes({{.pid = 42}, {.pid = 43}}).get());
    ASSERT_TRUE(list);
    ASSERT_TRUE(decode_threads(threads({{.pid = 43, .tid = 43}}).get(), *list));
    settle_threads(*list);
    ASSERT_EQ(list->size(), 1U);
    EXPECT_EQ(list->at(0).key.pid, 43);
}

TEST_F(BusDecode, AThreadIsNeverMixed) {
    auto list = decode_processes(processes({{}}).get());
    ASSERT_TRUE(list);
    ASSERT_TRUE(decode_threads(
        threads({{.tid = 42, .mode = "mixed"}, {.tid = 43, .mode = "v9"}}).get(), *list));
    settle_threads(*list);
    EXPECT_EQ(list->at(0).threads, (ModeCounts{.unknown = 2}));
    EXPECT_EQ(list->at(0).thread_list[0].mode, Mode::unknown);
}

TEST_F(BusDecode, ThreadsWithNumbersThatCanBeNoneAreRefused) {
    std::vector<snapshot::Process> list;
    EXPECT_EQ(code_of(decode_threads(threads({{.pid = 0}}).get(), list)), EPROTO);
    EXPECT_EQ(code_of(decode_threads(threads({{.tid = 0x80000000}}).get(), list)), EPROTO);
}

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
