// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/slice_view.h"

#include "cli/kernel_view.h"
#include "core/escape.h"

#include <fmt/format.h>

#include <algorithm>

namespace rseq::cli {

namespace {

constexpr int slice_schema_version = 1;
constexpr int hist_schema_version = 1;

std::string_view word(Availability availability) {
    return availability == Availability::yes  ? "yes"
           : availability == Availability::no ? "no"
                                              : "unknown";
}

Cell share_cell(const SliceUse& use) {
    if (use.counts.granted == 0) {
        return Cell::none();
    }
    const double share =
        static_cast<double>(use.counts.yielded) / static_cast<double>(use.counts.granted);
    constexpr double percent = 100;
    return {fmt::format("{:.1f}%", share * percent), share, Style::plain};
}

Json totals_to_json(const SliceUse& total) {
    return {{"enabled_threads", total.enabled_threads}, {"granted", total.counts.granted},
            {"yielded", total.counts.yielded},          {"syscall", total.counts.syscall},
            {"expired", total.counts.expired},          {"revoked", total.counts.revoked}};
}

std::string summary(const SliceReport& report) {
    const KernelFacts& facts = report.kernel;
    std::string text = "Slices:  ";
    text += facts.slices == Availability::yes ? "available" : std::string(word(facts.slices));
    text +=
        facts.slices_reason.empty() ? "\n" : ", " + escape_untrusted(facts.slices_reason) + "\n";
    text += "Length:  ";
    text += report.length ? fmt::format("{} ns\n", *report.length)
                          : "unknown, " + escape_untrusted(report.length.error().message()) + "\n";
    if (!report.uses) {
        return text + "Totals:  unknown, " + escape_untrusted(report.uses.error().message()) + "\n";
    }
    const SliceUse& total = report.uses->total;
    text += fmt::format("Totals:  {} threads with slices; {} granted: {} yielded, {} syscall, {} "
                        "expired, {} revoked\n",
                        total.enabled_threads, total.counts.granted, total.counts.yielded,
                        total.counts.syscall, total.counts.expired, total.counts.revoked);
    if (report.uses->unread > 0) {
        text += fmt::format("Unread:  {} processes\n", report.uses->unread);
    }
    return text;
}

std::string range(std::uint64_t from, std::uint64_t below) {
    constexpr double ns_per_us = 1000;
    if (below == 0) {
        return fmt::format("{:>5.1f} us and more", static_cast<double>(from) / ns_per_us);
    }
    return fmt::format("{:>5.1f} to {:>4.1f} us   ", static_cast<double>(from) / ns_per_us,
                       static_cast<double>(below) / ns_per_us);
}

} // namespace

Table slice_table(const std::vector<SliceUse>& processes) {
    Table table({{"PID", "pid", Align::right},
                 {"COMM", "comm"},
                 {"UNIT", "unit"},
                 {"THREADS", "threads", Align::right},
                 {"GRANTED", "granted", Align::right},
                 {"YIELDED", "yielded", Align::right},
                 {"SYSCALL", "syscall", Align::right},
                 {"EXPIRED", "expired", Align::right},
                 {"REVOKED", "revoked", Align::right},
                 {"IN TIME", "yielded_share", Align::right}});
    for (const SliceUse& use : processes) {
        const std::string unit = use.unit.display_name();
        table.add({Cell::number(use.pid), Cell::untrusted(use.comm),
                   unit.empty() ? Cell::none() : Cell::untrusted(unit),
                   Cell::number(use.enabled_threads), Cell::number(use.counts.granted),
                   Cell::number(use.counts.yielded), Cell::number(use.counts.syscall),
                   Cell::number(use.counts.expired), Cell::number(use.counts.revoked),
                   share_cell(use)});
    }
    return table;
}

std::string slice_to_text(const SliceReport& report, bool legend, bool colour) {
    std::string text = legend ? summary(report) : "";
    if (report.uses && (!report.uses->processes.empty() || !legend)) {
        text += legend ? "\n" : "";
        text += slice_table(report.uses->processes).to_text({.header = legend, .colour = colour});
    }
    return text;
}

Json slice_to_json(const SliceReport& report) {
    const std::vector<SliceUse> none;
    return {{"schema", "rseq-compat/slice"},
            {"version", slice_schema_version},
            {"kernel", kernel_to_json(report.kernel)},
            {"available", word(report.kernel.slices)},
            {"reason", report.kernel.slices_reason},
            {"length_ns", report.length ? Json(*report.length) : Json(nullptr)},
            {"length_reason", report.length ? "" : report.length.error().message()},
            {"totals", report.uses ? totals_to_json(report.uses->total) : Json(nullptr)},
            {"processes", slice_table(report.uses ? report.uses->processes : none).to_json()}};
}

void SliceHistogram::add(std::string_view reason, std::uint64_t held_ns) {
    const auto* const beyond = std::upper_bound(starts_.begin(), starts_.end(), held_ns);
    ++counts_.at(static_cast<std::size_t>(beyond - starts_.begin()) - 1);
    ++slices_;
    yielded_ += reason == "yield" ? 1U : 0U;
    syscall_ += reason == "syscall" ? 1U : 0U;
    expired_ += reason == "expired" ? 1U : 0U;
    revoked_ += reason == "revoked" ? 1U : 0U;
}

std::string SliceHistogram::to_text(std::size_t width) const {
    const std::uint64_t largest = *std::max_element(counts_.begin(), counts_.end());
    std::string text;
    for (std::size_t i = 0; i < counts_.size() && largest > 0; ++i) {
        const std::size_t bar = (counts_[i] * width + largest - 1) / largest;
        text += fmt::format("{} {:>9} {}\n",
                            range(starts_[i], i + 1 < starts_.size() ? starts_[i + 1] : 0),
                            counts_[i], std::string(bar, '#'));
    }
    return text + fmt::format("{} slices: {} yield, {} syscall, {} expired, {} revoked\n", slices_,
                              yielded_, syscall_, expired_, revoked_);
}

Json SliceHistogram::to_json(double seconds, std::uint64_t lost) const {
    Json ranges = Json::array();
    for (std::size_t i = 0; i < counts_.size(); ++i) {
        ranges.push_back(
            {{"from_ns", starts_[i]},
             {"below_ns", i + 1 < starts_.size() ? Json(starts_[i + 1]) : Json(nullptr)},
             {"count", counts_[i]}});
    }
    return {{"schema", "rseq-compat/slice-hist"},
            {"version", hist_schema_version},
            {"seconds", seconds},
            {"slices", slices_},
            {"lost", lost},
            {"outcomes",
             {{"yield", yielded_},
              {"syscall", syscall_},
              {"expired", expired_},
              {"revoked", revoked_}}},
            {"histogram", std::move(ranges)}};
}

} // namespace rseq::cli
