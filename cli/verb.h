// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <CLI/CLI.hpp>

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
    CLI::App* parser = nullptr;
    std::function<Exit()> run;
};

/// Each adds its verb to the program. The options live in the returned closure.
Verb add_status(CLI::App& program);
Verb add_bench(CLI::App& program);
Verb add_doctor(CLI::App& program);
Verb add_explain(CLI::App& program);
Verb add_export(CLI::App& program);
Verb add_monitor(CLI::App& program);
Verb add_slice(CLI::App& program);
Verb add_verify(CLI::App& program);
Verb add_policy(CLI::App& program);
Verb add_run(CLI::App& program);
Verb add_violations(CLI::App& program);

} // namespace rseq::cli
