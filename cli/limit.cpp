// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/limit.h"

#include "core/escape.h"

#include <unistd.h>

#include <csignal>

namespace rseq::cli {

namespace {

constexpr unsigned patience_sec = 5;

/// Made before the signal: its handler may not allocate.
std::string farewell;
int farewell_status = 0;

extern "C" void give_up(int /*signal*/) {
    static_cast<void>(::write(STDERR_FILENO, farewell.data(), farewell.size()));
    ::_exit(farewell_status);
}

} // namespace

void limit_time(const std::string& what, Exit status) {
    farewell = "rseqctl: " + escape_untrusted(what) + ": no answer within five seconds\n";
    farewell_status = static_cast<int>(status);
    struct sigaction action {};
    action.sa_handler = give_up;
    ::sigaction(SIGALRM, &action, nullptr);
    ::alarm(patience_sec);
}

void unlimit_time() {
    ::alarm(0);
}

} // namespace rseq::cli
