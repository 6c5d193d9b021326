// SPDX-License-Identifier: GPL-2.0-or-later
#include "live/zoo_process.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <sstream>
#include <stdexcept>
#include <utility>

namespace rseq::test {

std::string zoo_folder() {
    const char* folder = std::getenv("RSEQ_ZOO");
    return folder != nullptr ? folder : RSEQ_ZOO_FOLDER;
}

Child::Child(const std::vector<std::string>& command)
    : Child([&command] {
          std::vector<char*> arguments;
          arguments.reserve(command.size() + 1);
          for (const std::string& word : command) {
              arguments.push_back(const_cast<char*>(word.c_str()));
          }
          arguments.push_back(nullptr);
          execv(arguments[0], arguments.data());
          return 127;
      }) {}

Child::Child(const std::function<int()>& body) {
    int input[2];
    int output[2];
    if (pipe2(input, O_CLOEXEC) != 0 || pipe2(output, O_CLOEXEC) != 0) {
        throw std::runtime_error("no pipes");
    }
    static_cast<void>(std::fflush(nullptr));
    pid_ = fork();
    if (pid_ == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        setpgid(0, 0);
        dup2(input[0], STDIN_FILENO);
        dup2(output[1], STDOUT_FILENO);
        // The ends that the parent holds: with one of them open, no end of input would ever be
        // seen.
        close(input[1]);
        close(output[0]);
        _exit(body());
    }
    close(input[0]);
    close(output[1]);
    input_ = input[1];
    output_ = fdopen(output[0], "r");
    if (pid_ < 0 || output_ == nullptr) {
        throw std::runtime_error("cannot fork");
    }
}

Child::Child(Child&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)), input_(std::exchange(other.input_, -1)),
      output_(std::exchange(other.output_, nullptr)) {}

Child::~Child() {
    if (pid_ > 0) {
        kill(pid_, SIGKILL);
        wait();
    }
    if (input_ >= 0) {
        close(input_);
    }
    if (output_ != nullptr) {
        static_cast<void>(std::fclose(output_));
    }
}

std::optional<std::string> Child::read_line() {
    std::string line;
    for (int c = std::getc(output_); c != EOF; c = std::getc(output_)) {
        if (c == '\n') {
            return line;
        }
        line.push_back(static_cast<char>(c));
    }
    return std::nullopt;
}

int Child::wait() {
    int status = 0;
    waitpid(pid_, &status, 0);
    pid_ = -1;
    return status;
}

std::optional<ZooProcess> start_zoo(std::string_view program, std::string_view kind, int threads) {
    ZooProcess zoo{.child = Child({zoo_folder() + "/" + std::string(program), std::string(kind),
                                   std::to_string(threads)}),
                   .kind = std::string(kind),
                   .threads = {}};
    while (const auto line = zoo.child.read_line()) {
        if (*line == "ready") {
            return zoo;
        }
        std::istringstream words(*line);
        std::string word;
        pid_t tid = 0;
        std::string length;
        words >> word >> tid >> length;
        if (length == "libc") {
            zoo.threads[tid] = std::nullopt;
        } else {
            zoo.threads[tid] = static_cast<unsigned>(std::stoul(length));
        }
    }
    const int status = zoo.child.wait();
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 77) {
        throw std::runtime_error("zoo " + zoo.kind + " failed");
    }
    return std::nullopt;
}

unsigned long long stat_field(pid_t tid, int field) {
    std::ifstream file("/proc/" + std::to_string(tid) + "/stat");
    const std::string text{std::istreambuf_iterator<char>(file), {}};
    // The name is the second field, in parentheses, and may hold anything.
    const auto end = text.rfind(')');
    std::istringstream rest(end == std::string::npos ? "" : text.substr(end + 1));
    std::string word;
    for (int i = 3; i <= field; ++i) {
        rest >> word;
    }
    if (field == 3) {
        return word.empty() ? 0 : static_cast<unsigned char>(word[0]);
    }
    return word.empty() ? 0 : std::stoull(word);
}

char thread_state(pid_t tid) {
    return static_cast<char>(stat_field(tid, 3));
}

std::string status_value(pid_t tid, std::string_view key) {
    std::ifstream file("/proc/" + std::to_string(tid) + "/status");
    for (std::string line; std::getline(file, line);) {
        if (line.rfind(std::string(key) + ":", 0) == 0) {
            const auto start = line.find_first_not_of(" \t", key.size() + 1);
            return start == std::string::npos ? "" : line.substr(start);
        }
    }
    return {};
}

} // namespace rseq::test
