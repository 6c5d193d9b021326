// SPDX-License-Identifier: GPL-2.0-or-later
#include "config/load.h"
#include "daemon/log.h"
#include "daemon/manager.h"
#include "daemon/release.h"

#include <CLI/CLI.hpp>
#include <malloc.h>

#include <exception>
#include <iostream>

namespace rseq::daemon {

namespace {

/// Exit statuses, as rseq-compatd(8) documents them; the last one is that of systemd.exec(5) for an
/// error in the configuration.
enum class Exit : int { success = 0, failure = 1, usage = 2, configuration = 78 };

/// Reads the configuration and says all that is wrong with it.
Exit check(const std::string& root) {
    const auto loaded = config::load(root);
    if (!loaded) {
        for (const config::Diagnostic& diagnostic : loaded.error()) {
            std::cerr << diagnostic.text() << "\n";
        }
        return Exit::configuration;
    }
    for (const std::string& file : loaded->files) {
        std::cout << file << "\n";
    }
    std::cout << "No errors, " << loaded->rules.size() << " rules\n";
    return std::cout.flush() ? Exit::success : Exit::failure;
}

Exit run(int argc, char** argv) {
    CLI::App program("Follows which processes use restartable sequences in which mode",
                     "rseq-compatd");
    Options options;
    bool only_check = false;
    bool only_release = false;
    program.set_version_flag("--version", "rseq-compatd " RSEQ_VERSION);
    program.add_flag("--check", only_check, "Read the configuration, print its errors, and exit");
    program.add_flag("--release", only_release,
                     "Put back all that policies have changed, and exit");
    program.add_option("--root", options.config_root, "Read the configuration below this folder")
        ->option_text("DIR")
        ->check(CLI::ExistingDirectory);
    program.add_option("--instance", options.instance, "Name of the tracefs instance")
        ->option_text("NAME");
    try {
        program.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        if (error.get_exit_code() == static_cast<int>(CLI::ExitCodes::Success)) {
            program.exit(error, std::cout, std::cerr); // --help, --version
            return std::cout.flush() ? Exit::success : Exit::failure;
        }
        std::cerr << "rseq-compatd: " << error.what() << "\n";
        return Exit::usage;
    }
    if (only_check) {
        return check(options.config_root);
    }
    if (only_release) {
        if (const auto released = release(options.places); !released) {
            log::write(log::Level::error, released.error().message());
            return Exit::failure;
        }
        return Exit::success;
    }
    auto loaded = config::load(options.config_root);
    if (!loaded) {
        for (const config::Diagnostic& diagnostic : loaded.error()) {
            log::write(log::Level::error, diagnostic.text());
        }
        return Exit::configuration;
    }
    auto manager = Manager::start(std::move(*loaded), options);
    if (!manager) {
        log::write(log::Level::error, manager.error().message());
        return Exit::failure;
    }
    if (const auto ended = (*manager)->run(); !ended) {
        log::write(log::Level::error, ended.error().message());
        return Exit::failure;
    }
    return Exit::success;
}

} // namespace

} // namespace rseq::daemon

int main(int argc, char** argv) {
    // Long replies and lists of processes go back to the system as soon as they are freed.
    ::mallopt(M_MMAP_THRESHOLD, 32 * 1024);
    ::mallopt(M_TOP_PAD, 16 * 1024);
    try {
        return static_cast<int>(rseq::daemon::run(argc, argv));
    } catch (const std::exception& error) { // out of memory, or a bug
        rseq::daemon::log::write(rseq::daemon::log::Level::error, error.what());
        return static_cast<int>(rseq::daemon::Exit::failure);
    }
}
