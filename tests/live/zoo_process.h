// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <sys/types.h>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace rseq::test {

/// Folder with `zoo` and `zoo_static`: RSEQ_ZOO, or where this build has them.
std::string zoo_folder();

/// A program started with pipes at both ends, in a process group of its own. It is killed and
/// collected at the end of its life.
class Child {
public:
    /// `command[0]` is a path. With `own_job` it gets a process group of its own.
    explicit Child(const std::vector<std::string>& command);
    /// A fork of this process that runs `body` and exits with what it returns.
    explicit Child(const std::function<int()>& body);
    Child(Child&& other) noexcept;
    Child(const Child&) = delete;
    Child& operator=(const Child&) = delete;
    Child& operator=(Child&&) = delete;
    ~Child();

    [[nodiscard]] pid_t pid() const { return pid_; }
    /// The next line of its output; nothing at its end.
    std::optional<std::string> read_line();
    /// Waits for it to exit; its wait status, see wait(2).
    int wait();

private:
    pid_t pid_ = -1;
    int input_ = -1;
    std::FILE* output_ = nullptr;
};

/// One running process of the zoo, see zoo.c.
struct ZooProcess {
    Child child;
    std::string kind;
    /// By thread: the length that it registered itself; nothing where that is up to the C library.
    std::map<pid_t, std::optional<unsigned>> threads;
};

/// Starts it and waits until all of its threads are as they should be. Nothing if this machine does
/// not offer the kind.
std::optional<ZooProcess> start_zoo(std::string_view program, std::string_view kind, int threads);

/// The third field of /proc/<tid>/stat.
char thread_state(pid_t tid);

/// A field of /proc/<tid>/stat, counted from 1; fields after the name only.
unsigned long long stat_field(pid_t tid, int field);

/// The value of a line of /proc/<tid>/status, without blanks around it; empty if there is none.
std::string status_value(pid_t tid, std::string_view key);

/// Waits until `condition` holds, at most ten seconds; whether it does.
template <class Condition>
bool eventually(Condition condition) {
    for (int i = 0; i < 10'000; ++i) {
        if (condition()) {
            return true;
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    return false;
}

} // namespace rseq::test
