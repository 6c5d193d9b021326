// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/answer.h"
#include "cli/client.h"
#include "cli/doctor_checks.h"
#include "cli/limit.h"
#include "cli/output.h"
#include "cli/verb.h"
#include "core/file.h"
#include "verify/classify.h"
#include "verify/v1.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <exception>
#include <filesystem>
#include <memory>
#include <string>
#include <system_error>
#include <utility>

namespace rseq::cli {

namespace {

Presence look_for(const char* path) {
    if (::access(path, F_OK) == 0) {
        return Presence::present;
    }
    return errno == EACCES || errno == EPERM ? Presence::unreadable : Presence::absent;
}

bool exists(const char* path) {
    return ::access(path, F_OK) == 0;
}

/// A mask or a copy of the unit, and drop-ins, where administrators put them.
std::vector<std::string> find_overrides() {
    std::vector<std::string> found;
    for (const char* folder : {"/etc/systemd/system", "/run/systemd/system"}) {
        const std::string unit = std::string(folder) + "/rseq-compatd.service";
        if (exists(unit.c_str())) {
            found.push_back(unit);
        }
        std::error_code error;
        for (std::filesystem::directory_iterator entry(unit + ".d", error), end;
             !error && entry != end; entry.increment(error)) {
            if (entry->path().extension() == ".conf") {
                found.push_back(entry->path().string());
            }
        }
    }
    return found;
}

/// Where Debian's packages and administrators keep profiles. Docker has its own built in, which
/// allows rseq(2) since 20.10.
std::vector<SeccompProfile> find_profiles() {
    constexpr std::size_t limit = 1UL << 20;
    std::vector<SeccompProfile> found;
    for (const char* path : {"/etc/containers/seccomp.json", "/usr/share/containers/seccomp.json",
                             "/etc/docker/seccomp.json"}) {
        if (const auto text = read_file(AT_FDCWD, path, limit)) {
            found.push_back({path, allows_rseq(*text)});
        } else if (text.error().code != ENOENT) {
            found.push_back({path, std::nullopt});
        }
    }
    return found;
}

bool is_mongodb(const std::string& comm) {
    return comm == "mongod" || comm == "mongos";
}

/// By name, and by a library of that name in the maps: what is linked into a program statically is
/// seen by `explain`, which looks into its file.
void find_tcmalloc(const snapshot::Snapshot& snapshot, Machine& machine) {
    constexpr std::size_t limit = 16UL << 20;
    machine.tcmalloc_complete = true;
    for (const snapshot::Process& process : snapshot.processes) {
        const std::string path = "/proc/" + std::to_string(process.key.pid) + "/maps";
        const auto maps = read_file(AT_FDCWD, path.c_str(), limit);
        if (!maps && maps.error().code != ENOENT && maps.error().code != ESRCH) {
            machine.tcmalloc_complete = false;
        }
        if (is_mongodb(process.comm) || (maps && maps->find("libtcmalloc") != std::string::npos)) {
            const bool service = process.unit.manager == proc::Manager::system &&
                                 process.unit.name.ends_with(".service");
            machine.tcmalloc.push_back(
                {process.key.pid, process.comm, service ? process.unit.name : "", process.mode()});
        }
    }
}

void look_at_daemon(Machine& machine) {
    auto client = Client::connect("");
    machine.daemon = client.has_value();
    // The one reason of an absence that is the bus's.
    machine.bus =
        client || !is_absent(client.error()) || client.error().context != "there is no system bus";
    if (!client && !is_absent(client.error())) {
        machine.daemon_reason = client.error().message();
    }
}

Result<Machine> look_at_system(const KernelFacts& facts) {
    Machine machine;
    auto root = open_directory("/proc");
    if (!root) {
        return tl::unexpected<Error>(std::move(root.error()));
    }
    auto answer = ask_kernel(proc::ProcReader(std::move(*root)), Question{}, facts);
    if (!answer) {
        return tl::unexpected<Error>(std::move(answer.error()));
    }
    machine.kernel = std::move(answer->facts);
    machine.tracefs = look_for("/sys/kernel/tracing/instances");
    machine.debugfs = look_for("/sys/kernel/debug/sched");
    if (machine.debugfs == Presence::absent && exists("/sys/kernel/debug/tracing")) {
        machine.debugfs = Presence::present;
    }
    machine.polkit = exists("/usr/share/dbus-1/system-services/org.freedesktop.PolicyKit1.service");
    machine.overrides = find_overrides();
    machine.profiles = find_profiles();
    find_tcmalloc(answer->snapshot, machine);
    return machine;
}

Exit run_doctor(const OutputOptions& output) {
    const auto kernel = verify::running_kernel();
    const verify::Safety v1_users = verify::judge(verify::verify_v1(*kernel));
    const KernelFacts facts = verify::classify(*kernel);
    limit_time("doctor: looking at this machine", Exit::unknown);
    auto machine = look_at_system(facts);
    unlimit_time();
    if (!machine) {
        print_error(machine.error().message());
        return Exit::unknown;
    }
    machine->v1_users = v1_users;
    look_at_daemon(*machine);
    const auto checks = check(*machine);
    const std::string text = output.json == JsonFormat::off
                                 ? doctor_to_text(checks, !output.no_legend, use_colour())
                                 : dump(doctor_to_json(checks), output.json);
    return print_result(text, output, static_cast<Exit>(exit_status(checks)), Exit::unknown);
}

} // namespace

Verb add_doctor(Parser program) {
    auto output = std::make_shared<OutputOptions>();
    const Parser verb = program.add_verb(
        "doctor", "Show what is missing on this machine: exit 0 if nothing, 1 for warnings, 2 for "
                  "errors");
    add_output_options(verb, *output);
    return {verb, [output] {
                try {
                    return run_doctor(*output);
                } catch (const std::exception& error) {
                    // Not the status that says that there are warnings.
                    print_error(error.what());
                    return Exit::unknown;
                }
            }};
}

} // namespace rseq::cli
