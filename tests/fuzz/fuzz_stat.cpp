// SPDX-License-Identifier: GPL-2.0-or-later
#include "fuzz.h"
#include "proc/stat.h"

#include <cerrno>
#include <sstream>
#include <string>
#include <vector>

namespace {

/// What is accepted is what another way of reading the text finds.
void check_accepted(std::string_view text, const rseq::proc::Stat& stat) {
    require(is_within(stat.comm, text), "the name is in the text");
    const auto begin = static_cast<std::size_t>(stat.comm.data() - text.data());
    require(begin > 0 && text[begin - 1] == '(', "the name begins behind a parenthesis");
    const std::string_view rest = text.substr(begin + stat.comm.size());
    require(rest.starts_with(')'), "the name ends at a parenthesis");
    require(rest.find(')', 1) == std::string_view::npos, "that parenthesis is the last one");
    require(text.ends_with('\n'), "the text is whole");

    std::vector<std::string> fields; // from field 2 on
    std::string field;
    for (std::istringstream stream{std::string(rest)}; std::getline(stream, field, ' ');) {
        fields.push_back(field);
    }
    require(fields.size() > 20, "all fields are there");
    const auto number = [&](std::size_t i) {
        return std::strtoull(fields.at(i - 2).c_str(), nullptr, 10);
    };
    require(stat.kernel_thread == ((number(9) & 0x200000U) != 0), "field 9 are the flags");
    const bool leader_ended = fields.at(1) == "Z" || fields.at(1) == "X";
    const auto live = number(20) - (leader_ended && number(20) > 0 ? 1 : 0);
    require(stat.threads == live,
            "field 20 is the number of threads, less a leader that has ended");
    require(stat.start_ticks == number(22), "field 22 is the start");
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text = text_of(data, size);
    const auto stat = rseq::proc::parse_stat(text);
    if (stat) {
        check_accepted(text, *stat);
    } else {
        require(stat.error().code == EPROTO, "what is no stat is EPROTO");
    }

    // The same bytes as the name of a process: any name must come through.
    const std::string whole =
        "7 (" + std::string(text) + ") S 1 7 7 0 -1 2097152 0 0 0 0 0 0 0 0 20 0 3 0 900 0 0\n";
    const auto named = rseq::proc::parse_stat(whole);
    require(named && named->comm == text, "any name comes through");
    require(named->threads == 3 && named->start_ticks == 900 && named->kernel_thread,
            "no name changes the numbers");
    return 0;
}
