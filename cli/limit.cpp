// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/limit.h"

#include "cli/verb.h"
#include "core/escape.h"

#include <unistd.h>

#include <csignal>

namespace rseq::cli {

namespace {

constexpr unsigned patience_sec = 5;

/// Made before the signal: its handler may not allocate.
std::string farewell;

extern "C" void give_up(int /*signal*/) {
    static_cast<void>(::write(STDERR_FILENO, farewell.data(), farewell.size()));
    ::_exit(static_cast<int>(Exit::failure));
}

} // namespace

void limit_time(const std::string& what) {
    farewell = "rseqctl: " + escape_untrusted(what) + ": no answer within five seconds\n";
    struct sigaction action {};
    action.sa_handler = give_up;
    ::sigaction(SIGALRM, &action, nullptr);
    ::alarm(patience_sec);
}

void unlimit_time() {
    ::alarm(0);
}

} // namespace rseq::cli
