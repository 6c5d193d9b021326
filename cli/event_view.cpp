// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/event_view.h"

#include "core/escape.h"
#include "core/violation.h"

#include <fmt/format.h>

#include <array>
#include <cstring>
#include <ctime>
#include <string_view>
#include <utility>

namespace rseq::cli {

namespace {

constexpr int monitor_schema_version = 1;

/// What the kernel calls ENOTSUPP and libc has no name for.
constexpr std::int32_t kernel_enotsupp = 524;

/// "EBUSY (16)"; the number alone if it has no name.
std::string error_text(std::int32_t error) {
    const char* name = error == kernel_enotsupp ? "ENOTSUPP" : ::strerrorname_np(error);
    return name == nullptr ? fmt::format("errno {}", error) : fmt::format("{} ({})", name, error);
}

/// Clauses with commas between them.
class Clauses {
public:
    void add(std::string_view clause) {
        if (!text_.empty()) {
            text_ += ", ";
        }
        text_ += clause;
    }
    [[nodiscard]] std::string take() { return std::move(text_); }

private:
    std::string text_;
};

std::string attempt_text(const EventDetails& details) {
    Clauses text;
    if (details.error.value_or(0) != 0) {
        text.add(error_text(*details.error));
    } else if (details.mode) {
        text.add(to_string(*details.mode));
    }
    if (details.length) {
        text.add(fmt::format("{} bytes", *details.length));
    }
    if (details.flags.value_or(0) != 0) {
        text.add(fmt::format("flags {:#x}", static_cast<std::uint32_t>(*details.flags)));
    }
    if (details.signature) {
        text.add(fmt::format("signature {:#x}", *details.signature));
    }
    return text.take();
}

std::string violation_text(const EventDetails& details) {
    return details.expected && details.found
               ? describe_violation(details.reason, *details.expected, *details.found)
               : escape_untrusted(details.reason);
}

std::string slice_text(const EventDetails& details) {
    if (details.what == "enable" || details.what == "disable") {
        return details.error.value_or(0) == 0
                   ? details.what + "d"
                   : details.what + " refused, " + error_text(*details.error);
    }
    const bool granted = details.what == "grant";
    std::string text = granted ? "granted" : escape_untrusted(details.what);
    if (details.ns) {
        text += fmt::format("{} {} ns", granted ? "," : " after", *details.ns);
    }
    return text;
}

std::string details_text(const BusEvent& event) {
    switch (event.kind) {
    case EventKind::registration:
    case EventKind::refusal:
        return attempt_text(event.details);
    case EventKind::policy:
        return event.details.policy ? to_string(*event.details.policy) : std::string();
    case EventKind::violation:
        return violation_text(event.details);
    case EventKind::exec:
        return escape_untrusted(event.details.filename);
    case EventKind::slice:
        return slice_text(event.details);
    case EventKind::unregistration:
    case EventKind::exit:
        break;
    }
    return {};
}

template <class T>
Json json_of(const std::optional<T>& value) {
    return value ? Json(*value) : Json(nullptr);
}

Json json_of(const std::optional<Mode>& mode) {
    return mode ? Json(to_string(*mode)) : Json(nullptr);
}

Json details_json(const BusEvent& event) {
    const EventDetails& details = event.details;
    switch (event.kind) {
    case EventKind::registration:
    case EventKind::refusal:
        return {{"mode", json_of(details.mode)},
                {"length", json_of(details.length)},
                {"flags", json_of(details.flags)},
                {"signature", json_of(details.signature)},
                {"errno", json_of(details.error)}};
    case EventKind::policy:
        return {{"mode", details.policy ? Json(to_string(details.policy->mode)) : Json(nullptr)},
                {"slice", details.policy ? Json(to_string(details.policy->slice)) : Json(nullptr)}};
    case EventKind::violation:
        return {{"mode", json_of(event.mode())},
                {"reason", details.reason},
                {"expected", json_of(details.expected)},
                {"found", json_of(details.found)},
                {"ip", json_of(details.ip)}};
    case EventKind::exec:
        return {{"filename", details.filename}};
    case EventKind::slice:
        return {
            {"what", details.what}, {"ns", json_of(details.ns)}, {"errno", json_of(details.error)}};
    case EventKind::unregistration:
    case EventKind::exit:
        break;
    }
    return Json::object();
}

/// "Nov 24 15:04:22.123456" of here, as journalctl -o short-precise has it.
Cell time_cell(std::uint64_t time_usec) {
    constexpr std::uint64_t usec_per_second = 1'000'000;
    Cell cell = Cell::number(time_usec);
    const auto seconds = static_cast<std::time_t>(time_usec / usec_per_second);
    std::tm local{};
    std::array<char, 32> text{};
    if (::localtime_r(&seconds, &local) != nullptr &&
        std::strftime(text.data(), text.size(), "%b %d %H:%M:%S", &local) > 0) {
        cell.text = fmt::format("{}.{:06}", text.data(), time_usec % usec_per_second);
    }
    return cell;
}

Style style_of(EventKind kind) {
    return kind == EventKind::violation ? Style::bad
           : kind == EventKind::refusal ? Style::warning
                                        : Style::plain;
}

Cell id_cell(pid_t id) {
    return id == 0 ? Cell::none() : Cell::number(id);
}

Cell details_cell(const BusEvent& event) {
    Cell cell = Cell::none();
    if (std::string text = details_text(event); !text.empty()) {
        cell = {std::move(text), nullptr, Style::plain};
    }
    cell.json = details_json(event);
    return cell;
}

Json document() {
    return {{"schema", "rseq-compat/monitor"}, {"version", monitor_schema_version}};
}

} // namespace

Table event_table(const std::vector<BusEvent>& events) {
    // The widths of a time, the longest kind, a process ID, a name, and many a unit.
    Table table({{"TIME", "time_usec", Align::left, 22},
                 {"KIND", "kind", Align::left, 14},
                 {"PID", "pid", Align::right, 7},
                 {"", "tid"},
                 {"COMM", "comm", Align::left, 15},
                 {"UNIT", "unit", Align::left, 20},
                 {"DETAILS", "details"}});
    for (const BusEvent& event : events) {
        table.add(
            {time_cell(event.time_usec), Cell::word(to_string(event.kind), style_of(event.kind)),
             id_cell(event.pid), id_cell(event.tid), Cell::untrusted(event.comm),
             event.unit.empty() ? Cell::none() : Cell::untrusted(event.unit), details_cell(event)});
    }
    return table;
}

Json event_document(const BusEvent& event) {
    Json json = document();
    json.update(event_table({event}).to_json().at(0));
    return json;
}

Json lost_document(const EventsLost& lost) {
    Json json = document();
    json["kind"] = "lost";
    json["events"] = lost.count;
    return json;
}

std::string lost_to_text(const EventsLost& lost) {
    return fmt::format("{} events lost", lost.count);
}

} // namespace rseq::cli
