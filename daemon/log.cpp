// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/log.h"

#include <sys/stat.h>
#include <sys/uio.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <string>

namespace rseq::daemon::log {

namespace {

/// True if standard error is a stream to the journal: it takes a priority at the start of a line.
bool detect_journal() noexcept {
    const char* stream = std::getenv("JOURNAL_STREAM");
    struct stat status {};
    if (stream == nullptr || ::fstat(STDERR_FILENO, &status) != 0) {
        return false;
    }
    return std::string(stream) ==
           std::to_string(status.st_dev) + ":" + std::to_string(status.st_ino);
}

int& max_level_now() noexcept {
    static int level = static_cast<int>(Level::info);
    return level;
}

} // namespace

void set_max_level(int syslog_priority) noexcept {
    max_level_now() = syslog_priority;
}

int max_level() noexcept {
    return max_level_now();
}

void write(Level level, std::string_view message) noexcept {
    static const bool to_journal = detect_journal();
    static constexpr std::array<const char*, 8> prefixes{SD_EMERG,   SD_ALERT,  SD_CRIT, SD_ERR,
                                                         SD_WARNING, SD_NOTICE, SD_INFO, SD_DEBUG};
    const std::string_view prefix =
        to_journal ? std::string_view(prefixes[static_cast<std::size_t>(level)])
                   : std::string_view("rseq-compatd: ");
    // One call, so that a line is never torn. A message that cannot be written is lost.
    std::array<iovec, 3> parts{{{const_cast<char*>(prefix.data()), prefix.size()},
                                {const_cast<char*>(message.data()), message.size()},
                                {const_cast<char*>("\n"), 1}}};
    static_cast<void>(::writev(STDERR_FILENO, parts.data(), parts.size()) < 0);
}

} // namespace rseq::daemon::log
