// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/explain_view.h"

#include "cli/kernel_view.h"
#include "cli/status_view.h"
#include "core/escape.h"

#include <fmt/format.h>

namespace rseq::cli {

namespace {

constexpr int explain_schema_version = 1;

std::string headline(const snapshot::Process& process) {
    const std::string unit = process.unit.display_name();
    return fmt::format("{}[{}]{}: {}\n", escape_untrusted(process.comm), process.key.pid,
                       unit.empty() ? "" : ", " + escape_untrusted(unit),
                       to_string(process.mode()));
}

} // namespace

Table reasons_table(const explain::Explanation& explanation) {
    Table table({{"ABOUT", "about"}, {"FINDING", "finding"}, {"SOURCE", "source"}, {"", "known"}});
    for (const explain::Reason& reason : explanation.reasons) {
        Cell finding = Cell::untrusted(reason.text);
        finding.style = reason.known ? Style::plain : Style::warning;
        table.add({Cell::word(reason.about), std::move(finding), Cell::untrusted(reason.source),
                   Cell{reason.known ? "yes" : "no", reason.known}});
    }
    return table;
}

std::string explain_to_text(const explain::Findings& evidence,
                            const explain::Explanation& explanation, bool legend, bool colour) {
    const std::string rows =
        reasons_table(explanation).to_text({.header = legend, .colour = colour});
    if (!legend) {
        return rows;
    }
    std::string text = headline(evidence.process);
    if (!explanation.conclusion.empty()) {
        text += "Because " + escape_untrusted(explanation.conclusion) + ".\n";
    } else {
        text += "The evidence does not suffice to say why. Not known is\n";
        for (const std::string& part : explanation.unknown) {
            text += "    " + escape_untrusted(part) + "\n";
        }
    }
    text += "\n" + rows;
    for (const explain::Remedy& remedy : explanation.remedies) {
        text += "\n" + remedy.effect + (remedy.command.empty() ? "\n" : ":\n");
        if (!remedy.command.empty()) {
            text += "    " + escape_untrusted(remedy.command) + "\n";
        }
    }
    return text;
}

Json explain_to_json(const explain::Findings& evidence, const explain::Explanation& explanation) {
    Json remedies = Json::array();
    for (const explain::Remedy& remedy : explanation.remedies) {
        remedies.push_back(
            {{"effect", remedy.effect},
             {"command", remedy.command.empty() ? Json(nullptr) : Json(remedy.command)}});
    }
    return {{"schema", "rseq-compat/explain"},
            {"version", explain_schema_version},
            {"kernel", kernel_to_json(evidence.kernel)},
            {"process", process_table({evidence.process}).to_json().at(0)},
            {"registrant", to_string(explanation.registrant)},
            {"conclusion",
             explanation.conclusion.empty() ? Json(nullptr) : Json(explanation.conclusion)},
            {"unknown", explanation.unknown},
            {"reasons", reasons_table(explanation).to_json()},
            {"remedies", std::move(remedies)}};
}

} // namespace rseq::cli
