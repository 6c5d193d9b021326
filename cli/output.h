// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include "cli/parser.h"
#include "cli/verb.h"
#include "core/result.h"
#include "table/table.h"

#include <string>
#include <string_view>

namespace rseq::cli {

/// What every verb that prints data accepts.
struct OutputOptions {
    JsonFormat json = JsonFormat::off;
    bool no_legend = false;
    bool no_pager = false;
};

/// Adds --json and --no-legend, for a verb that prints without end.
void add_stream_options(Parser verb, OutputOptions& options);

/// Adds --json, --no-legend and --no-pager.
void add_output_options(Parser verb, OutputOptions& options);

/// Adds --host. The value is never empty if the option was given.
void add_host_option(Parser verb, std::string& host);

/// Prints `rseqctl: message` on stderr. The message may hold names of others: it is escaped.
void print_error(std::string_view message);

/// Prints each line of a text as an error of its own.
void print_errors(std::string_view text);

/// Prints the error, and is `status`.
Exit fail_with(Exit status, std::string_view message);
Exit fail_with(Exit status, const Error& error);

/// True if colour is wanted on stdout: a terminal, and NO_COLOR unset or empty.
[[nodiscard]] bool use_colour();

/// Writes everything to stdout, through a pager where stdout is a terminal and the options allow.
/// Fails with the errno of write(2): a full disk or a closed pipe must not look like success.
Result<void> print(std::string_view text, const OutputOptions& options);

/// Prints, and says what stdout has against it. `status` if it has nothing, otherwise `failure`,
/// for verbs to which the usual status of one says something else.
Exit print_result(std::string_view text, const OutputOptions& options, Exit status,
                  Exit failure = Exit::failure);

} // namespace rseq::cli
