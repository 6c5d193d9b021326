// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/verify.h"

#include "cli/kernel_view.h"
#include "cli/output.h"
#include "cli/verb.h"
#include "verify/classify.h"

#include <exception>
#include <memory>
#include <string>

namespace rseq::cli {

namespace {

/// Version of the JSON document; raised when a member changes its meaning or goes away.
constexpr int document_version = 1;

Style style_of(verify::Verdict verdict) {
    switch (verdict) {
    case verify::Verdict::held:
        return Style::good;
    case verify::Verdict::lost:
        return Style::bad;
    case verify::Verdict::not_tested:
        return Style::warning;
    case verify::Verdict::not_offered:
        break;
    }
    return Style::dim;
}

std::string_view conclusion(verify::Safety safety) {
    switch (safety) {
    case verify::Safety::safe:
        return "v1 users are safe on this kernel";
    case verify::Safety::unsafe:
        return "v1 users are not safe on this kernel";
    case verify::Safety::unknown:
        break;
    }
    return "it cannot be said whether v1 users are safe on this kernel";
}

Exit exit_of(verify::Safety safety) {
    switch (safety) {
    case verify::Safety::safe:
        return Exit::success;
    case verify::Safety::unsafe:
        return Exit::failure;
    case verify::Safety::unknown:
        break;
    }
    return Exit::unknown;
}

Exit run_verify(const OutputOptions& output) {
    const auto kernel = verify::running_kernel();
    const KernelFacts facts = verify::classify(*kernel);
    const auto findings = verify::verify(*kernel);

    const std::string text = output.json == JsonFormat::off
                                 ? verify_to_text(facts, findings, !output.no_legend, use_colour())
                                 : dump(verify_to_json(facts, findings), output.json);
    // Otherwise a status that says something about the kernel would be mistaken for the result.
    return print_result(text, output, exit_of(verify::judge(findings)), Exit::unknown);
}

} // namespace

Table findings_table(const std::vector<verify::Finding>& findings) {
    Table table({{"GUARANTEE", "guarantee"},
                 {"RESULT", "result"},
                 {"DESCRIPTION", "description"},
                 {"REASON", "reason"}});
    for (const verify::Finding& finding : findings) {
        table.add({Cell::word(finding.key),
                   Cell::word(to_string(finding.verdict), style_of(finding.verdict)),
                   Cell::word(finding.title),
                   finding.reason.empty() ? Cell{"", nullptr} : Cell::untrusted(finding.reason)});
    }
    return table;
}

std::string verify_to_text(const KernelFacts& facts, const std::vector<verify::Finding>& findings,
                           bool legend, bool colour) {
    std::string text = legend ? kernel_to_text(facts) + "\n" : "";
    text += findings_table(findings).to_text({.header = legend, .colour = colour});
    if (legend) {
        text += "\nResult: " + std::string(conclusion(verify::judge(findings))) + "\n";
    }
    return text;
}

Json verify_to_json(const KernelFacts& facts, const std::vector<verify::Finding>& findings) {
    const verify::Safety safety = verify::judge(findings);
    return {{"schema", "rseq-compat/verify"},
            {"version", document_version},
            {"kernel", kernel_to_json(facts)},
            {"guarantees", findings_table(findings).to_json()},
            {"v1_users", to_string(safety)},
            {"conclusion", conclusion(safety)},
            {"exit_status", static_cast<int>(exit_of(safety))}};
}

Verb add_verify(Parser program) {
    auto output = std::make_shared<OutputOptions>();
    const Parser verb = program.add_verb(
        "verify", "Test what this kernel guarantees: exit 0 if v1 users are safe, 1 if not, 3 if "
                  "it cannot be said");
    add_output_options(verb, *output);
    return {verb, [output] {
                try {
                    return run_verify(*output);
                } catch (const std::exception& error) {
                    // Not the status that says that a guarantee is lost.
                    print_error(error.what());
                    return Exit::unknown;
                }
            }};
}

} // namespace rseq::cli
