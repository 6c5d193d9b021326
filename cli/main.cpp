// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/output.h"
#include "cli/verb.h"

#include <CLI/CLI.hpp>

#include <clocale>
#include <exception>
#include <iostream>
#include <vector>

namespace rseq::cli {

namespace {

Exit run(int argc, char** argv) {
    CLI::App program("Show which processes use restartable sequences in which mode, and why",
                     "rseqctl");
    program.require_subcommand(1);
    program.set_version_flag("--version", "rseqctl " RSEQ_VERSION);
    const Parser parser(&program);
    const std::vector<Verb> verbs{add_status(parser),     add_explain(parser), add_monitor(parser),
                                  add_violations(parser), add_slice(parser),   add_export(parser),
                                  add_doctor(parser),     add_verify(parser),  add_bench(parser),
                                  add_policy(parser),     add_run(parser)};

    try {
        program.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        if (error.get_exit_code() == static_cast<int>(CLI::ExitCodes::Success)) {
            program.exit(error, std::cout, std::cerr); // --help, --version
            return std::cout.flush() ? Exit::success : Exit::failure;
        }
        print_error(error.what());
        return Exit::usage;
    }
    for (const Verb& verb : verbs) {
        if (verb.parser.was_given()) {
            return verb.run();
        }
    }
    return Exit::usage;
}

} // namespace

} // namespace rseq::cli

int main(int argc, char** argv) {
    // For the widths of names that are not ASCII; without a locale each byte counts as one.
    static_cast<void>(std::setlocale(LC_CTYPE, ""));
    try {
        return static_cast<int>(rseq::cli::run(argc, argv));
    } catch (const std::exception& error) { // out of memory, or a bug
        rseq::cli::print_error(error.what());
        return static_cast<int>(rseq::cli::Exit::failure);
    }
}
