// SPDX-License-Identifier: GPL-2.0-or-later
//
// hold-cgroup mode=MODE|slice=SLICE...: holds the cgroup of the service that it is started for.
//
// The drop-ins of rseq-compatd (lib/enforce/drop_in.h) have the service manager run it before the
// service, as root and outside of its sandbox. It needs no daemon: what it writes is there before
// the service is executed, however fast that is.
#include "core/escape.h"
#include "core/file.h"
#include "enforce/cgroup_tree.h"
#include "proc/cgroup.h"

#include <algorithm>
#include <cerrno>
#include <exception>
#include <iostream>
#include <string>
#include <string_view>
#include <vector>

namespace rseq::daemon {

namespace {

constexpr int usage_status = 2;
constexpr std::size_t cgroup_limit = 65536;

/// The cgroup of the unit that this process is started for. Where a unit may have cgroups of its
/// own, the service manager's helpers are in `.control` below (Delegate= in
/// systemd.resource-control(5)).
Result<std::string> unit_cgroup() {
    const auto proc = open_directory("/proc/self");
    if (!proc) {
        return tl::unexpected<Error>(proc.error());
    }
    const auto text = read_file(proc->get(), "cgroup", cgroup_limit);
    if (!text) {
        return tl::unexpected<Error>(text.error());
    }
    const auto parsed = proc::parse_cgroup(*text);
    if (!parsed) {
        return tl::unexpected<Error>(parsed.error());
    }
    constexpr std::string_view control = "/.control";
    std::string path(*parsed);
    if (path.ends_with(control)) {
        path.resize(path.size() - control.size());
    }
    if (path.size() < 2 || path.starts_with("/../")) {
        return fail(EPERM, "not started for a unit: the cgroup is " + escape_untrusted(path));
    }
    return path;
}

Result<void> hold(const std::vector<enforce::Setting>& settings) {
    const auto path = unit_cgroup();
    if (!path) {
        return tl::unexpected<Error>(path.error());
    }
    const auto tree = enforce::CgroupTree::mounted();
    if (!tree) {
        return tl::unexpected<Error>(tree.error());
    }
    for (const enforce::Setting& setting : settings) {
        if (auto done = tree->write(*path, setting); !done) {
            return done;
        }
    }
    const auto policy = tree->policy(*path);
    if (!policy) {
        return tl::unexpected<Error>(policy.error());
    }
    for (const enforce::Setting& setting : settings) {
        const auto* const mode = std::get_if<PolicyMode>(&setting);
        const bool is_so = mode != nullptr ? policy->mode == *mode
                                           : policy->slice == std::get<PolicySlice>(setting);
        if (!is_so) {
            return fail(EBUSY, "somebody else has changed '" + enforce::to_line(setting) + "' of " +
                                   escape_untrusted(*path));
        }
    }
    return {};
}

int run(const std::vector<std::string>& arguments) {
    std::vector<enforce::Setting> settings;
    for (std::string argument : arguments) {
        std::replace(argument.begin(), argument.end(), '=', ' ');
        const auto setting = enforce::parse_line(argument);
        if (!setting) {
            settings.clear();
            break;
        }
        settings.push_back(*setting);
    }
    if (settings.empty()) {
        std::cerr << "usage: hold-cgroup mode=auto|legacy|off | slice=allow|deny ...\n"
                     "Holds the cgroup of the service that it is started for by ExecStartPre=.\n";
        return usage_status;
    }
    if (const auto done = hold(settings); !done) {
        std::cerr << "hold-cgroup: " << done.error().message() << "\n";
        return 1;
    }
    return 0;
}

} // namespace

} // namespace rseq::daemon

int main(int argc, char** argv) {
    try {
        return rseq::daemon::run({argv + 1, argv + argc});
    } catch (const std::exception& error) {
        std::cerr << "hold-cgroup: " << error.what() << "\n";
        return 1;
    }
}
