// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include "cli/parser.h"

#include <functional>

namespace rseq::cli {

/// Exit statuses of rseqctl, as rseqctl(1) documents them.
enum class Exit : int {
    success = 0,
    failure = 1,       ///< something went wrong; `verify`: a guarantee is lost; `doctor`: warnings
    usage = 2,         ///< the command line makes no sense; `doctor`: errors
    unknown = 3,       ///< `verify`, `explain`: it cannot be said
    not_found = 4,     ///< a process, a unit or its rule that was named does not exist
    unenforceable = 5, ///< `policy`: what a rule asks for cannot be had
    not_run = 125,     ///< `run`: the command was not executed
    not_executable = 126, ///< `run`: the command could not be executed
    no_command = 127,     ///< `run`: there is no such command
};

/// One verb of the command line: its parser, and what runs when it was given.
struct Verb {
    Parser parser;
    std::function<Exit()> run;
};

/// Each adds its verb to the program. The options live in the returned closure.
Verb add_status(Parser program);
Verb add_bench(Parser program);
Verb add_doctor(Parser program);
Verb add_explain(Parser program);
Verb add_export(Parser program);
Verb add_monitor(Parser program);
Verb add_slice(Parser program);
Verb add_verify(Parser program);
Verb add_policy(Parser program);
Verb add_run(Parser program);
Verb add_violations(Parser program);

} // namespace rseq::cli
