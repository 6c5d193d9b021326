// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/output.h"

#include "cli/word_option.h"
#include "core/escape.h"
#include "core/parse.h"
#include "core/unique_fd.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <string>

namespace rseq::cli {

namespace {

Result<void> write_all(int fd, std::string_view text) {
    while (!text.empty()) {
        const ssize_t n = ::write(fd, text.data(), text.size());
        if (n < 0) {
            if (errno == EINTR) {
                continue;
            }
            return fail_errno("cannot write the output");
        }
        text.remove_prefix(static_cast<std::size_t>(n));
    }
    return {};
}

bool fits_on_screen(std::string_view text) {
    winsize size{};
    if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_row == 0) {
        return true;
    }
    return std::count(text.begin(), text.end(), '\n') < size.ws_row;
}

/// Whether this runs with the rights of another user than the one at the terminal, who may have
/// been given this program and no other.
bool has_borrowed_rights() {
    return std::getenv("SUDO_UID") != nullptr || std::getenv("PKEXEC_UID") != nullptr;
}

/// The pager's command as the shell takes it, in the order that systemd's tools use; empty if there
/// is to be none.
std::string pager_command() {
    constexpr const char* usual = "less -FRSX";
    for (const char* name : {"SYSTEMD_PAGER", "PAGER"}) {
        if (const char* value = std::getenv(name); value != nullptr) {
            const std::string command = value;
            if (command.empty() || command == "cat") {
                return {};
            }
            return has_borrowed_rights() ? usual : command;
        }
    }
    return usual;
}

/// False if there is no pager to be had, and nothing was printed.
bool print_paged(std::string_view text) {
    std::string command = pager_command();
    if (command.empty()) {
        return false;
    }
    // No shell in less, no editor, no other file: it may run as root for somebody who is not.
    if (::setenv("LESSSECURE", "1", 1) != 0 || ::unsetenv("LESSSECURE_ALLOW") != 0) {
        return false;
    }
    // The shell says nothing of its own if the pager is missing: we print without one then.
    command = "command -v " + command.substr(0, command.find(' ')) + " >/dev/null 2>&1 && exec " +
              command;
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) {
        return false;
    }
    UniqueFd read_end(ends[0]);
    UniqueFd write_end(ends[1]);

    posix_spawn_file_actions_t actions{};
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, read_end.get(), STDIN_FILENO);
    std::string shell = "sh";
    std::string flag = "-c";
    const std::array<char*, 4> argv{shell.data(), flag.data(), command.data(), nullptr};
    pid_t pid = -1;
    const int error = ::posix_spawnp(&pid, "sh", &actions, nullptr, argv.data(), environ);
    posix_spawn_file_actions_destroy(&actions);
    if (error != 0) {
        return false;
    }
    // Leaving the pager before its end is no failure, and has to end our writing.
    read_end.reset();
    struct sigaction ignore {};
    struct sigaction before {};
    ignore.sa_handler = SIG_IGN;
    ::sigaction(SIGPIPE, &ignore, &before);
    static_cast<void>(write_all(write_end.get(), text));
    write_end.reset();
    int status = 0;
    while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    ::sigaction(SIGPIPE, &before, nullptr);
    constexpr int not_started = 127;
    return WIFEXITED(status) && WEXITSTATUS(status) != not_started && WEXITSTATUS(status) != 1;
}

} // namespace

void add_stream_options(Parser verb, OutputOptions& options) {
    add_word_option(verb, "--json", options.json,
                    Words<JsonFormat>{{"short", JsonFormat::short_form},
                                      {"pretty", JsonFormat::pretty},
                                      {"off", JsonFormat::off}},
                    "Print JSON")
        .text("FORMAT");
    verb.add_flag("--no-legend", options.no_legend, "Print neither headers nor closing remarks");
}

void add_output_options(Parser verb, OutputOptions& options) {
    add_stream_options(verb, options);
    verb.add_flag("--no-pager", options.no_pager, "Do not pipe the output into a pager");
}

void add_host_option(Parser verb, std::string& host) {
    verb.add_option("-H,--host", host, "Ask rseq-compatd of another machine, by ssh")
        .text("[USER@]HOST")
        // ssh would take it for an option.
        .check([](const std::string& word) {
            return word.empty() || word.front() == '-' ? "'" + word + "' is no host"
                                                       : std::string();
        });
}

void print_error(std::string_view message) {
    const std::string line = "rseqctl: " + escape_untrusted(message) + "\n";
    static_cast<void>(write_all(STDERR_FILENO, line));
}

void print_errors(std::string_view text) {
    while (!text.empty()) {
        print_error(take_until(text, '\n'));
    }
}

Exit fail_with(Exit status, std::string_view message) {
    print_error(message);
    return status;
}

Exit fail_with(Exit status, const Error& error) {
    return fail_with(status, error.message());
}

bool use_colour() {
    const char* no_color = std::getenv("NO_COLOR");
    const bool forbidden = no_color != nullptr && *no_color != '\0';
    return !forbidden && ::isatty(STDOUT_FILENO) == 1;
}

Result<void> print(std::string_view text, const OutputOptions& options) {
    const bool want_pager = !options.no_pager && options.json == JsonFormat::off &&
                            ::isatty(STDOUT_FILENO) == 1 && !fits_on_screen(text);
    if (want_pager && print_paged(text)) {
        return {};
    }
    return write_all(STDOUT_FILENO, text);
}

Exit print_result(std::string_view text, const OutputOptions& options, Exit status, Exit failure) {
    if (auto printed = print(text, options); !printed) {
        print_error(printed.error().message());
        return failure;
    }
    return status;
}

} // namespace rseq::cli
