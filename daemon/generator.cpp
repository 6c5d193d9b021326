// SPDX-License-Identifier: GPL-2.0-or-later
//
// A generator (systemd.generator(7)): at boot it makes the drop-ins by which services are held to
// their policies. Services may be started before rseq-compatd has come up; with these they are held
// all the same. Whoever applies the rules first, knowing more, takes over: from then on its
// drop-ins are the only ones, until the next boot.
#include "config/load.h"
#include "config/write.h"
#include "core/file.h"
#include "enforce/actuator.h"
#include "enforce/drop_in.h"
#include "enforce/plan_units.h"
#include "enforce/unit_files.h"

#include <systemd/sd-path.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <exception>
#include <iostream>
#include <string>
#include <vector>

namespace rseq::daemon {

namespace {

constexpr int usage_status = 2;

/// The folders of unit files, those that win first.
Result<std::vector<std::string>> unit_folders() {
    char** list = nullptr;
    const int result = ::sd_path_lookup_strv(SD_PATH_SYSTEMD_SEARCH_SYSTEM_UNIT, nullptr, &list);
    if (result < 0) {
        return fail(-result, "cannot tell where unit files are");
    }
    std::vector<std::string> folders;
    for (char** one = list; *one != nullptr; ++one) {
        folders.emplace_back(*one);
        ::free(*one);
    }
    ::free(list);
    return folders;
}

/// What there is to know without a service manager.
enforce::Units units_for(const std::vector<policy::Rule>& rules, const enforce::UnitFiles& files) {
    enforce::Units units;
    units.services = files.services();
    for (const std::string& unit : enforce::units_to_ask(rules, units.services)) {
        units.facts[unit] = files.facts(unit);
    }
    return units;
}

Result<void> generate(const std::string& destination) {
    const std::string applied = std::string(enforce::runtime_root) + "/" + enforce::applied_name;
    if (::access(applied.c_str(), F_OK) == 0) {
        return {};
    }
    const auto folders = unit_folders();
    const auto root = open_directory(destination);
    if (!folders || !root) {
        return tl::unexpected<Error>(folders ? root.error() : folders.error());
    }
    const enforce::UnitFiles files(*folders);
    if (files.is_masked("rseq-compatd.service")) {
        return {};
    }
    const auto loaded = config::load();
    if (!loaded) {
        return fail(EINVAL, "no service is held, because there are errors in the configuration:\n" +
                                config::text_of(loaded.error()));
    }
    KernelFacts kernel;
    kernel.abi = ::access("/proc/self/rseq", F_OK) == 0 ? 1 : 0;
    const auto plan = enforce::plan_units(loaded->rules, {}, units_for(loaded->rules, files),
                                          kernel, false, RSEQ_HOLD_PROGRAM);
    // What cannot be had is said by the daemon, which knows better.
    Result<void> done;
    for (const enforce::Action& action : plan.actions) {
        if (action.kind != enforce::ActionKind::write_drop_in) {
            continue;
        }
        if (auto written = enforce::write_drop_in(root->get(), action.target, action.text);
            !written) {
            done = std::move(written);
        }
    }
    return done;
}

} // namespace

} // namespace rseq::daemon

int main(int argc, char** argv) {
    try {
        if (argc != 2 && argc != 4) {
            std::cerr
                << "usage: rseq-compat NORMAL_DIR [EARLY_DIR LATE_DIR]\n"
                   "Makes the drop-ins by which services are held to policies, for systemd.\n";
            return rseq::daemon::usage_status;
        }
        if (const auto done = rseq::daemon::generate(argv[1]); !done) {
            std::cerr << "rseq-compat: " << rseq::config::text_of(done.error()) << "\n";
            return 1;
        }
        return 0;
    } catch (const std::exception& error) {
        std::cerr << "rseq-compat: " << error.what() << "\n";
        return 1;
    }
}
