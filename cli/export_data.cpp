// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/export_data.h"

#include "cli/kernel_view.h"
#include "core/escape.h"
#include "core/violation.h"

#include <fmt/format.h>

#include <array>
#include <string_view>
#include <utility>

namespace rseq::cli {

namespace {

constexpr int export_schema_version = 1;
constexpr std::array<Mode, 5> all_modes{Mode::none, Mode::v1, Mode::v2, Mode::mixed, Mode::unknown};

/// What rseq(2) fails with.
constexpr std::array<std::string_view, 5> refusal_reasons{"EBUSY", "EFAULT", "EINVAL", "ENOSYS",
                                                          "EPERM"};

using Labels = std::vector<std::pair<std::string_view, std::string_view>>;

std::string_view word(Availability availability) {
    return availability == Availability::yes  ? "yes"
           : availability == Availability::no ? "no"
                                              : "unknown";
}

/// The metrics of a text file, family by family.
class Metrics {
public:
    void family(std::string_view name, std::string_view type, std::string_view help) {
        name_ = name;
        text_ += fmt::format("# HELP {} {}\n# TYPE {} {}\n", name, help, name, type);
    }
    void sample(const Labels& labels, double value) {
        text_ += name_;
        char separator = '{';
        for (const auto& [key, content] : labels) {
            text_ += fmt::format("{}{}=\"{}\"", separator, key, escape(content));
            separator = ',';
        }
        text_ += labels.empty() ? "" : "}";
        text_ += fmt::format(" {}\n", value);
    }
    void single(std::string_view name, std::string_view type, std::string_view help, double value) {
        family(name, type, help);
        sample({}, value);
    }
    std::string take() { return std::move(text_); }

private:
    static std::string escape(std::string_view text) {
        std::string escaped;
        for (const char c : replace_invalid_utf8(text)) {
            escaped += c == '\\'   ? std::string("\\\\")
                       : c == '"'  ? std::string("\\\"")
                       : c == '\n' ? std::string("\\n")
                                   : std::string(1, c);
        }
        return escaped;
    }

    std::string name_;
    std::string text_;
};

double number(auto value) {
    return static_cast<double>(value);
}

void add_kernel(const ExportData& data, Metrics& out) {
    const KernelFacts& facts = data.kernel;
    out.family("rseq_kernel_info", "gauge", "The running kernel, found by its behaviour.");
    out.sample({{"release", facts.release},
                {"class", to_string(facts.kernel_class)},
                {"slices", word(facts.slices)},
                {"abi", std::to_string(facts.abi)}},
               1);
    const verify::Safety safety = verify::judge(data.guarantees);
    out.family("rseq_v1_users", "gauge", "Whether programs that rely on v1 are safe here.");
    for (const auto state :
         {verify::Safety::safe, verify::Safety::unsafe, verify::Safety::unknown}) {
        out.sample({{"state", to_string(state)}}, state == safety ? 1 : 0);
    }
    out.family("rseq_guarantee_held", "gauge", "1 if the kernel keeps the guarantee, 0 if not.");
    for (const verify::Finding& finding : data.guarantees) {
        if (finding.verdict == verify::Verdict::held || finding.verdict == verify::Verdict::lost) {
            out.sample({{"guarantee", finding.key}},
                       finding.verdict == verify::Verdict::held ? 1 : 0);
        }
    }
    out.family("rseq_slices_available", "gauge",
               "1 if time slice extensions can be had, 0 if not; absent if not known.");
    if (facts.slices != Availability::unknown) {
        out.sample({}, facts.slices == Availability::yes ? 1 : 0);
    }
    if (data.slice_length_ns) {
        constexpr double ns_per_second = 1e9;
        out.single("rseq_slice_length_seconds", "gauge", "Length of a time slice extension.",
                   number(*data.slice_length_ns) / ns_per_second);
    }
}

void add_processes(const ExportData& data, Metrics& out) {
    out.family("rseq_processes", "gauge", "Processes in each mode, without kernel threads.");
    for (const Mode mode : all_modes) {
        const auto found = data.processes.find(mode);
        out.sample({{"mode", to_string(mode)}},
                   found == data.processes.end() ? 0 : number(found->second));
    }
    out.family("rseq_threads", "gauge", "Threads in each mode, without kernel threads.");
    out.sample({{"mode", "none"}}, number(data.threads.none));
    out.sample({{"mode", "v1"}}, number(data.threads.v1));
    out.sample({{"mode", "v2"}}, number(data.threads.v2));
    out.sample({{"mode", "unknown"}}, number(data.threads.unknown));
    if (data.slices) {
        const auto& counts = data.slices->counts;
        out.single("rseq_slice_threads", "gauge", "Threads that have enabled slice extensions.",
                   number(data.slices->enabled_threads));
        // Gauges: the counts of a thread go with it.
        out.single("rseq_slices_granted", "gauge", "Slices granted to the threads that live.",
                   number(counts.granted));
        out.family("rseq_slices_ended", "gauge", "How slices of the threads that live ended.");
        out.sample({{"outcome", "yielded"}}, number(counts.yielded));
        out.sample({{"outcome", "syscall"}}, number(counts.syscall));
        out.sample({{"outcome", "expired"}}, number(counts.expired));
        out.sample({{"outcome", "revoked"}}, number(counts.revoked));
    }
}

/// Those that can be expected are there from the beginning: the first one is an increase then.
void add_reasons(const std::vector<std::string_view>& expected,
                 std::map<std::string, std::uint64_t> counts, Metrics& out) {
    for (const std::string_view reason : expected) {
        counts.try_emplace(std::string(reason), 0);
    }
    for (const auto& [reason, count] : counts) {
        out.sample({{"reason", reason}}, number(count));
    }
}

void add_daemon(const ExportData& data, Metrics& out) {
    out.single("rseq_daemon_up", "gauge", "Whether rseq-compatd answers.", data.daemon ? 1 : 0);
    if (!data.daemon) {
        return;
    }
    const DaemonFacts& facts = data.daemon->facts;
    out.single("rseq_registrations_total", "counter", "Registrations since the daemon started.",
               number(facts.registrations));
    out.family("rseq_refusals_total", "counter", "Registrations that the kernel refused.");
    add_reasons({refusal_reasons.begin(), refusal_reasons.end()}, facts.refusal_reasons, out);
    out.family("rseq_violations_total", "counter", "Processes killed for their use of rseq.");
    add_reasons(violation_reasons(), facts.violation_reasons, out);
    out.single("rseq_lost_events_total", "counter", "Trace events that were lost.",
               number(facts.lost_events));
    out.single("rseq_rescans_total", "counter", "Scans made to repair that.",
               number(facts.rescans));
    out.family("rseq_policy_processes", "gauge", "Processes of each rule, by their compliance.");
    for (const enforce::RuleReport& policy : data.daemon->policies) {
        out.sample({{"rule", policy.name}, {"compliant", "yes"}}, number(policy.comply));
        out.sample({{"rule", policy.name}, {"compliant", "no"}}, number(policy.do_not_comply));
    }
    out.family("rseq_policy_info", "gauge", "The rules and how they are enforced.");
    for (const enforce::RuleReport& policy : data.daemon->policies) {
        out.sample({{"rule", policy.name}, {"state", policy.state}}, 1);
    }
}

Json counts_to_json(const SliceUse& use) {
    return {{"enabled_threads", use.enabled_threads}, {"granted", use.counts.granted},
            {"yielded", use.counts.yielded},          {"syscall", use.counts.syscall},
            {"expired", use.counts.expired},          {"revoked", use.counts.revoked}};
}

Json daemon_to_json(const ExportData::Daemon& daemon) {
    Json policies = Json::array();
    for (const enforce::RuleReport& policy : daemon.policies) {
        policies.push_back({{"rule", policy.name},
                            {"state", policy.state},
                            {"compliant", policy.comply},
                            {"not_compliant", policy.do_not_comply}});
    }
    return {{"version", daemon.facts.version},
            {"registrations", daemon.facts.registrations},
            {"refusals", daemon.facts.refusals},
            {"violations", daemon.facts.violations},
            {"lost_events", daemon.facts.lost_events},
            {"rescans", daemon.facts.rescans},
            {"refusal_reasons", daemon.facts.refusal_reasons},
            {"violation_reasons", daemon.facts.violation_reasons},
            {"policies", std::move(policies)}};
}

} // namespace

std::string export_to_prometheus(const ExportData& data) {
    Metrics out;
    add_kernel(data, out);
    add_processes(data, out);
    add_daemon(data, out);
    out.family("rseq_read_errors", "gauge", "What could not be read for these metrics.");
    out.sample({{"source", "kernel"}}, number(data.kernel_errors));
    out.sample({{"source", "daemon"}}, number(data.daemon_errors));
    return out.take();
}

Json export_to_json(const ExportData& data) {
    Json guarantees = Json::array();
    for (const verify::Finding& finding : data.guarantees) {
        guarantees.push_back({{"guarantee", finding.key}, {"result", to_string(finding.verdict)}});
    }
    Json processes = Json::object();
    for (const Mode mode : all_modes) {
        const auto found = data.processes.find(mode);
        processes[std::string(to_string(mode))] = found == data.processes.end() ? 0 : found->second;
    }
    return {{"schema", "rseq-compat/export"},
            {"version", export_schema_version},
            {"time_usec", data.time_usec},
            {"kernel", kernel_to_json(data.kernel)},
            {"guarantees", std::move(guarantees)},
            {"v1_users", to_string(verify::judge(data.guarantees))},
            {"slice_length_ns", data.slice_length_ns ? Json(*data.slice_length_ns) : Json(nullptr)},
            {"processes", std::move(processes)},
            {"threads",
             {{"none", data.threads.none},
              {"v1", data.threads.v1},
              {"v2", data.threads.v2},
              {"unknown", data.threads.unknown}}},
            {"slices", data.slices ? counts_to_json(*data.slices) : Json(nullptr)},
            {"daemon", data.daemon ? daemon_to_json(*data.daemon) : Json(nullptr)},
            {"read_errors", {{"kernel", data.kernel_errors}, {"daemon", data.daemon_errors}}}};
}

} // namespace rseq::cli
