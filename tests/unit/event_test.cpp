// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/event.h"
#include "cli/event_filter.h"
#include "cli/event_view.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <cstdlib>
#include <ctime>
#include <optional>
#include <string>
#include <vector>

using namespace rseq;
using namespace rseq::cli;

namespace {

BusEvent event(EventKind kind, EventDetails details = {}) {
    BusEvent event;
    event.kind = kind;
    event.time_usec = 1'700'000'000'123'456;
    event.pid = 4242;
    event.tid = 4243;
    event.comm = "mongod";
    event.unit = "mongod.service";
    event.details = std::move(details);
    return event;
}

/// What stands in the column DETAILS.
std::string details_of(const BusEvent& event) {
    const std::string line = event_table({event}).to_text({.header = false, .colour = false});
    const std::size_t at = line.find("mongod.service");
    EXPECT_NE(at, std::string::npos) << line;
    constexpr std::size_t unit_width = 22;
    return line.substr(at + unit_width, line.size() - at - unit_width - 1);
}

class EventTable : public testing::Test {
protected:
    void SetUp() override {
        ::setenv("TZ", "UTC", 1);
        ::tzset();
    }
};

using Details = EventTable;

EventFilter filter(std::vector<std::string> arguments, std::vector<Mode> modes = {}) {
    return {{all_event_kinds.begin(), all_event_kinds.end()},
            parse_targets(arguments).value(),
            std::move(modes)};
}

} // namespace

TEST(EventKinds, AreReadBack) {
    for (const EventKind kind : all_event_kinds) {
        EXPECT_EQ(parse_event_kind(to_string(kind)), kind);
    }
    for (const char* word : {"", "Registration", "registrations", "lost", "all"}) {
        EXPECT_EQ(parse_event_kind(word), std::nullopt) << word;
    }
}

TEST(EventKinds, AreListedWithCommas) {
    EXPECT_EQ(parse_event_kinds("slice,exec").value(),
              (std::vector{EventKind::slice, EventKind::exec}));
    EXPECT_EQ(parse_event_kinds("exec,exec").value(), std::vector{EventKind::exec});
    for (const char* list : {"", "slice,", ",slice", "slice exec", "all"}) {
        const auto kinds = parse_event_kinds(list);
        ASSERT_FALSE(kinds) << list;
        EXPECT_EQ(kinds.error().code, EINVAL);
        EXPECT_NE(kinds.error().context.find("unregistration"), std::string::npos);
    }
}

TEST(EventKinds, ThatAKernelWithoutOurEventsDoesNotOffer) {
    const std::vector<EventKind> all(all_event_kinds.begin(), all_event_kinds.end());
    EXPECT_EQ(kinds_not_offered(all, "syscalls"),
              (std::vector{EventKind::policy, EventKind::violation, EventKind::slice}));
    EXPECT_EQ(kinds_not_offered(all, "none"), all);
    EXPECT_TRUE(kinds_not_offered(all, "rseq").empty());
    EXPECT_TRUE(kinds_not_offered(all, "what a later daemon says").empty());
}

TEST_F(EventTable, HasTheColumnsOfTheManualAndRoomForWhatIsUsual) {
    const Table::TextOptions options{.header = true, .colour = false};
    EXPECT_EQ(event_table({event(EventKind::policy, {.policy = Policy{PolicyMode::legacy}})})
                  .to_text(options),
              "TIME                    KIND                PID  COMM             UNIT"
              "                  DETAILS\n"
              "Nov 14 22:13:20.123456  policy             4242  mongod           mongod.service"
              "        legacy allow\n");
    // Rows that are printed one by one stand below the header that was printed first.
    EXPECT_EQ(event_table({}).to_text(options) +
                  event_table({event(EventKind::exit)}).to_text({.header = false, .colour = false}),
              event_table({event(EventKind::exit)}).to_text(options));
}

TEST_F(EventTable, ShowsDashesForWhatIsNotKnown) {
    BusEvent unknown = event(EventKind::exit);
    unknown.pid = 0;
    unknown.unit.clear();
    EXPECT_EQ(event_table({unknown}).to_text({.header = false, .colour = false}),
              "Nov 14 22:13:20.123456  exit                  -  mongod           -"
              "                     -\n");
}

TEST_F(EventTable, EscapesWhatOthersHaveChosen) {
    const std::string hostile = "\x1b[2J\n\xff";
    const std::string escaped = "\\x1b[2J\\x0a\\xff";
    BusEvent evil = event(EventKind::exec, {.filename = hostile});
    evil.comm = hostile;
    evil.unit = hostile;
    const std::string line = event_table({evil}).to_text({.header = false, .colour = false});
    EXPECT_NE(line.find(escaped + "  " + escaped + "       " + escaped + "\n"), std::string::npos)
        << line;
    for (const EventKind kind : {EventKind::violation, EventKind::slice}) {
        EXPECT_EQ(details_of(event(kind, {.reason = hostile, .what = hostile})), escaped);
    }
}

TEST_F(EventTable, ShowsATimeThatIsNone) {
    BusEvent strange = event(EventKind::exit);
    strange.time_usec = ~std::uint64_t{0};
    EXPECT_EQ(event_document(strange).at("time_usec"), ~std::uint64_t{0});
    EXPECT_NE(event_table({strange}).to_text({.header = false, .colour = false}).find("551615"),
              std::string::npos);
}

TEST_F(Details, OfAnAttemptToRegister) {
    EXPECT_EQ(
        details_of(event(
            EventKind::registration,
            {.length = 33, .mode = Mode::v2, .flags = 0, .signature = 0x53053053, .error = 0})),
        "v2, 33 bytes, signature 0x53053053");
    EXPECT_EQ(details_of(event(
                  EventKind::refusal,
                  {.length = 32, .mode = Mode::none, .flags = -1, .signature = 1, .error = EBUSY})),
              "EBUSY (16), 32 bytes, flags 0xffffffff, signature 0x1");
    EXPECT_EQ(details_of(event(EventKind::refusal, {.error = 9999})), "errno 9999");
    EXPECT_EQ(details_of(event(EventKind::refusal, {.error = 524})), "ENOTSUPP (524)");
    EXPECT_EQ(details_of(event(EventKind::registration)), "-");
}

TEST_F(Details, OfWhatNeedsNone) {
    EXPECT_EQ(details_of(event(EventKind::unregistration)), "-");
    EXPECT_EQ(details_of(event(EventKind::exit)), "-");
}

TEST_F(Details, OfAViolation) {
    EXPECT_EQ(details_of(event(EventKind::violation,
                               {.reason = "cpu_id_start", .expected = 3, .found = 0x80000003})),
              "cpu_id_start overwritten (expected 3, found 0x80000003)");
}

TEST_F(Details, OfASlice) {
    EXPECT_EQ(details_of(event(EventKind::slice, {.what = "grant", .ns = 5000})),
              "granted, 5000 ns");
    EXPECT_EQ(details_of(event(EventKind::slice, {.what = "yield", .ns = 4123})),
              "yield after 4123 ns");
    EXPECT_EQ(details_of(event(EventKind::slice, {.error = 0, .what = "enable"})), "enabled");
    EXPECT_EQ(details_of(event(EventKind::slice, {.error = 524, .what = "enable"})),
              "enable refused, ENOTSUPP (524)");
}

TEST_F(Details, OfAnExec) {
    EXPECT_EQ(details_of(event(EventKind::exec, {.filename = "/usr/bin/mongod"})),
              "/usr/bin/mongod");
}

TEST(EventDocument, HoldsNumbersAndNullsForWhatWasNotSaid) {
    EXPECT_EQ(event_document(event(EventKind::registration, {.length = 33, .mode = Mode::v2})),
              Json::parse(R"({"schema": "rseq-compat/monitor", "version": 1,
        "time_usec": 1700000000123456, "kind": "registration", "pid": 4242, "tid": 4243,
        "comm": "mongod", "unit": "mongod.service",
        "details": {"mode": "v2", "length": 33, "flags": null, "signature": null,
                    "errno": null}})"));
    EXPECT_EQ(event_document(event(EventKind::violation, {.reason = "fault",
                                                          .version = std::uint8_t{2},
                                                          .found = ~std::uint64_t{0}}))
                  .at("details"),
              Json::parse(R"({"mode": "v2", "reason": "fault", "expected": null,
                              "found": 18446744073709551615, "ip": null})"));
    EXPECT_EQ(event_document(event(EventKind::exit)).at("details"), Json::object());
}

TEST(EventDocument, OfLostEventsIsTheirNumber) {
    EXPECT_EQ(lost_document({17}), Json::parse(R"({"schema": "rseq-compat/monitor", "version": 1,
                                                   "kind": "lost", "events": 17})"));
    EXPECT_EQ(lost_to_text({17}), "17 events lost");
}

TEST(EventMode, IsThatOfTheRegistrationThatTheEventIsAbout) {
    EXPECT_EQ(event(EventKind::registration, {.mode = Mode::v1}).mode(), Mode::v1);
    EXPECT_EQ(event(EventKind::refusal, {.mode = Mode::none}).mode(), Mode::none);
    EXPECT_EQ(event(EventKind::violation, {.version = std::uint8_t{1}}).mode(), Mode::v1);
    EXPECT_EQ(event(EventKind::violation, {.version = std::uint8_t{9}}).mode(), std::nullopt);
    EXPECT_EQ(event(EventKind::slice).mode(), Mode::v2);
    EXPECT_EQ(event(EventKind::exec).mode(), std::nullopt);
    EXPECT_EQ(event(EventKind::policy).mode(), std::nullopt);
}

TEST(EventFilter, WithoutTargetsAndModesWantsAllOfItsKinds) {
    EXPECT_TRUE(filter({}).wants(event(EventKind::exit)));
    EventFilter some = filter({});
    some.kinds = {EventKind::exec};
    EXPECT_FALSE(some.wants(event(EventKind::exit)));
    EXPECT_TRUE(some.wants(event(EventKind::exec)));
}

TEST(EventFilter, WantsTheProcessesAndUnitsThatWereNamed) {
    EXPECT_TRUE(filter({"4242"}).wants(event(EventKind::exit)));
    EXPECT_FALSE(filter({"4243"}).wants(event(EventKind::exit)));
    EXPECT_TRUE(filter({"mongod"}).wants(event(EventKind::exit)));
    EXPECT_TRUE(filter({"mongo*"}).wants(event(EventKind::exit)));
    EXPECT_TRUE(filter({"1", "mongod.service"}).wants(event(EventKind::exit)));
    EXPECT_FALSE(filter({"mongos"}).wants(event(EventKind::exit)));
}

TEST(EventFilter, TakesTheNameOfAUnitWithAndWithoutItsManager) {
    BusEvent user = event(EventKind::exit);
    user.unit = "user@1000/app.service";
    EXPECT_TRUE(filter({"user@1000/app.service"}).wants(user));
    EXPECT_TRUE(filter({"user@1000/*"}).wants(user));
    EXPECT_TRUE(filter({"app"}).wants(user));
    EXPECT_FALSE(filter({"user@1000"}).wants(user));
}

TEST(EventFilter, AProcessWithoutUnitIsInNone) {
    BusEvent lone = event(EventKind::exit);
    lone.unit.clear();
    EXPECT_FALSE(filter({"*"}).wants(lone));
    EXPECT_TRUE(filter({}).wants(lone));
}

TEST(EventFilter, OfModesDropsEventsThatTellOfNone) {
    EXPECT_TRUE(filter({}, {Mode::v2}).wants(event(EventKind::registration, {.mode = Mode::v2})));
    EXPECT_FALSE(filter({}, {Mode::v2}).wants(event(EventKind::registration, {.mode = Mode::v1})));
    EXPECT_FALSE(filter({}, {Mode::v2}).wants(event(EventKind::registration)));
    EXPECT_FALSE(filter({}, {Mode::v2}).wants(event(EventKind::exec)));
}
