// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/output.h"
#include "cli/scope.h"
#include "cli/verb.h"
#include "cli/word_option.h"
#include "core/file.h"
#include "enforce/cgroup_tree.h"
#include "enforce/plan.h"
#include "proc/proc_reader.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace rseq::cli {

namespace {

using enforce::CgroupTree;
using enforce::Setting;

constexpr mode_t cgroup_mode = 0755;
constexpr int signal_status = 128;

struct RunOptions {
    std::optional<PolicyMode> mode;
    std::optional<PolicySlice> slice;
    std::vector<std::string> command;
};

std::vector<Setting> settings_of(const RunOptions& options) {
    std::vector<Setting> settings;
    if (options.mode) {
        settings.emplace_back(*options.mode);
    }
    if (options.slice) {
        settings.emplace_back(*options.slice);
    }
    return settings;
}

/// The cgroup that this process is in.
Result<std::string> current_cgroup() {
    return open_directory("/proc").and_then([](UniqueFd root) {
        const proc::ProcReader reader(std::move(root));
        return reader.open(::getpid()).and_then([](proc::ProcessDir dir) { return dir.cgroup(); });
    });
}

Result<void> write_settings(const CgroupTree& tree, const std::string& cgroup,
                            const std::vector<Setting>& settings) {
    for (const Setting& setting : settings) {
        if (auto done = tree.write(cgroup, setting); !done) {
            return done;
        }
    }
    return {};
}

/// Becomes the command. Returns only if that fails.
Exit become(const std::vector<std::string>& command) {
    std::vector<std::string> words = command;
    std::vector<char*> argv;
    argv.reserve(words.size() + 1);
    for (std::string& word : words) {
        argv.push_back(word.data());
    }
    argv.push_back(nullptr);
    ::execvp(argv.front(), argv.data());
    const int error = errno;
    print_error(Error{error, "cannot execute " + command.front()}.message());
    return error == ENOENT ? Exit::no_command : Exit::not_executable;
}

/// The scope ends with the command, and systemd removes it.
Exit run_in_scope(const CgroupTree& tree, const RunOptions& options) {
    auto held = enter_scope(describe_scope(options.command))
                    .and_then(current_cgroup)
                    .and_then([&](const std::string& path) {
                        return write_settings(tree, path, settings_of(options));
                    });
    return held ? become(options.command) : fail_with(Exit::not_run, held.error());
}

/// Signals that are for the command, and not for whoever waits for it.
constexpr std::array passed_on{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGCONT};

/// Waits for the child and lets it have the signals that others send to this process. Those of a
/// terminal go to both already.
int wait_for(pid_t child, const sigset_t& waited) {
    int status = 0;
    for (;;) {
        siginfo_t info{};
        const int signal = ::sigwaitinfo(&waited, &info);
        if (signal == SIGCHLD && ::waitpid(child, &status, WNOHANG) == child) {
            return status;
        }
        if (signal > 0 && signal != SIGCHLD && info.si_code <= 0) {
            ::kill(child, signal);
        }
    }
}

/// A cgroup below the one that this process is in, which keeps its limits.
class OwnCgroup {
public:
    static Result<OwnCgroup> make(const std::vector<Setting>& settings, const CgroupTree& tree) {
        auto above = current_cgroup();
        if (!above) {
            return tl::unexpected<Error>(std::move(above.error()));
        }
        OwnCgroup cgroup;
        cgroup.path_ = (*above == "/" ? "" : *above) + "/rseqctl-run-" + std::to_string(::getpid());
        if (auto made = tree.make(cgroup.path_, cgroup_mode); !made) {
            return tl::unexpected<Error>(std::move(made.error()));
        }
        if (auto written = write_settings(tree, cgroup.path_, settings); !written) {
            static_cast<void>(tree.remove(cgroup.path_));
            return tl::unexpected<Error>(std::move(written.error()));
        }
        return cgroup;
    }
    [[nodiscard]] const std::string& path() const { return path_; }

private:
    std::string path_;
};

Exit run_in_cgroup(const CgroupTree& tree, const RunOptions& options) {
    const auto cgroup = OwnCgroup::make(settings_of(options), tree);
    if (!cgroup) {
        return fail_with(Exit::not_run, cgroup.error());
    }
    sigset_t waited;
    sigset_t before;
    ::sigemptyset(&waited);
    ::sigaddset(&waited, SIGCHLD);
    for (const int signal : passed_on) {
        ::sigaddset(&waited, signal);
    }
    ::sigprocmask(SIG_BLOCK, &waited, &before);
    const pid_t child = ::fork();
    if (child == 0) {
        ::sigprocmask(SIG_SETMASK, &before, nullptr);
        auto moved = tree.enter(cgroup->path());
        ::_exit(static_cast<int>(moved ? become(options.command)
                                       : fail_with(Exit::not_run, moved.error())));
    }
    if (child < 0) {
        const Error error{errno, "cannot make a process"};
        static_cast<void>(tree.remove(cgroup->path()));
        return fail_with(Exit::not_run, error);
    }
    const int status = wait_for(child, waited);
    ::sigprocmask(SIG_SETMASK, &before, nullptr);
    if (const auto removed = tree.remove(cgroup->path()); !removed) {
        // Something that the command has left running is held as long as it runs.
        print_error(removed.error().message());
    }
    return static_cast<Exit>(WIFSIGNALED(status) ? signal_status + WTERMSIG(status)
                                                 : WEXITSTATUS(status));
}

Exit run_command(const RunOptions& options) {
    if (!options.mode && !options.slice) {
        print_error("nothing to be held to: give --mode or --slice");
        return Exit::usage;
    }
    if (options.command.empty()) {
        print_error("no command");
        return Exit::usage;
    }
    const auto tree = CgroupTree::mounted();
    if (!tree || !tree->has_policies()) {
        for (const Setting& setting : settings_of(options)) {
            print_error(enforce::to_line(setting) + ": " +
                        std::string(enforce::unenforceable_here));
        }
        return Exit::not_run;
    }
    if (::geteuid() != 0) {
        print_error("only root can hold a cgroup to a policy");
        return Exit::not_run;
    }
    return ::sd_booted() > 0 ? run_in_scope(*tree, options) : run_in_cgroup(*tree, options);
}

} // namespace

Verb add_run(Parser program) {
    auto options = std::make_shared<RunOptions>();
    const Parser verb = program.add_verb("run", "Run a command under a policy");
    add_mode_option(verb, options->mode);
    add_slice_option(verb, options->slice);
    // From the first word that is no option on, all is the command's.
    verb.stop_at_argument();
    verb.add_option("COMMAND", options->command, "The command, and its arguments")
        .text("[ARGUMENT]...");
    return {verb, [options] {
                return run_command(*options);
            }};
}

} // namespace rseq::cli
