// SPDX-License-Identifier: GPL-2.0-or-later
#include "ptrace/thread_status.h"

#include "core/file.h"
#include "core/parse.h"

#include <fcntl.h>

#include <cerrno>
#include <optional>
#include <string>

namespace rseq::ptrace {

Result<ThreadStatus> parse_thread_status(std::string_view text) {
    std::optional<pid_t> tgid;
    std::optional<pid_t> tracer;
    std::string_view state;
    while (!text.empty()) {
        std::string_view value = take_until(text, '\n');
        const std::string_view key = take_until(value, ':');
        value = trim(value);
        if (key == "Tgid") {
            tgid = parse_number<pid_t>(value);
        } else if (key == "TracerPid") {
            tracer = parse_number<pid_t>(value);
        } else if (key == "State") {
            state = value;
        }
    }
    if (!tgid || *tgid <= 0 || !tracer || *tracer < 0 || state.empty()) {
        return fail(EPROTO, "the status of a thread lacks State, Tgid or TracerPid");
    }
    return ThreadStatus{.tgid = *tgid, .tracer = *tracer, .state = state.front()};
}

Result<ThreadStatus> read_thread_status(pid_t tid) {
    const std::string path = "/proc/" + std::to_string(tid) + "/status";
    auto text = read_file(AT_FDCWD, path.c_str(), status_file_limit);
    if (!text) {
        const int code = text.error().code;
        return fail(code == ENOENT ? ESRCH : code, std::move(text.error().context));
    }
    return parse_thread_status(*text);
}

} // namespace rseq::ptrace
