// SPDX-License-Identifier: GPL-2.0-or-later
#include "proc/cgroup.h"

#include "core/parse.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <optional>

namespace rseq::proc {

namespace {

constexpr std::size_t short_id_length = 12;

bool is_container_id(std::string_view text) {
    constexpr std::size_t id_length = 64;
    const auto hex = [](char c) {
        return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
    };
    return text.size() == id_length && std::all_of(text.begin(), text.end(), hex);
}

/// `name` without the prefix and suffix, if it has both.
std::optional<std::string_view> between(std::string_view name, std::string_view prefix,
                                        std::string_view suffix) {
    if (name.size() < prefix.size() + suffix.size() || !name.starts_with(prefix) ||
        !name.ends_with(suffix)) {
        return std::nullopt;
    }
    return name.substr(prefix.size(), name.size() - prefix.size() - suffix.size());
}

struct Runtime {
    std::string_view scope_prefix; ///< systemd driver: PREFIX-<id>.scope
    Manager manager;
};

constexpr std::array<Runtime, 4> runtimes{{{"docker", Manager::docker},
                                           {"libpod", Manager::podman},
                                           {"cri-containerd", Manager::kubernetes},
                                           {"crio", Manager::kubernetes}}};

/// The container that one component of a path names, if it names one.
std::optional<Unit> container_of(std::string_view name) {
    for (const Runtime& runtime : runtimes) {
        const std::string prefix = std::string(runtime.scope_prefix) + "-";
        // Without the systemd driver podman keeps the prefix and has no suffix.
        for (const std::string_view suffix : {".scope", ""}) {
            const auto id = between(name, prefix, suffix);
            if (id && is_container_id(*id)) {
                return Unit{runtime.manager, std::string(id->substr(0, short_id_length)), {}};
            }
        }
    }
    return std::nullopt;
}

bool is_slice(std::string_view name) {
    return name.ends_with(".slice");
}

/// The top of the kubelet's own tree: `kubepods`, or `kubepods.slice` and the slices below it. A
/// kubelet with a cgroup root of its own puts the name of that slice and a dash before it.
bool is_kubepods(std::string_view name) {
    return name == "kubepods" ||
           (is_slice(name) &&
            (name.starts_with("kubepods") || name.find("-kubepods") != std::string_view::npos));
}

/// The UID of the pod that a component names: `pod<uid>` (cgroupfs driver) or
/// `kubepods-<qos>-pod<uid>.slice`, where dashes of the UID became underscores.
std::optional<std::string> pod_of(std::string_view name) {
    if (is_slice(name)) {
        constexpr std::string_view marker = "-pod";
        constexpr std::string_view suffix = ".slice";
        const std::size_t at = name.rfind(marker);
        if (at == std::string_view::npos || !is_kubepods(name)) {
            return std::nullopt;
        }
        name.remove_prefix(at + marker.size());
        name.remove_suffix(suffix.size());
        std::string uid(name);
        std::replace(uid.begin(), uid.end(), '_', '-');
        return uid;
    }
    if (const auto uid = between(name, "pod", ""); uid && !uid->empty()) {
        return std::string(*uid);
    }
    return std::nullopt;
}

/// systemd puts an underscore before names that cgroupfs might take for files of its own.
std::string_view unescape(std::string_view name) {
    return name.starts_with('_') ? name.substr(1) : name;
}

bool is_unit(std::string_view name) {
    // The kinds of units that have a cgroup (systemd.unit(5)).
    constexpr std::array<std::string_view, 5> suffixes{".service", ".scope", ".socket", ".mount",
                                                       ".swap"};
    return std::any_of(suffixes.begin(), suffixes.end(), [&](std::string_view suffix) {
        return name.size() > suffix.size() && name.ends_with(suffix);
    });
}

/// Drops the leading slices and returns the component after them, with the unit escape removed.
std::string_view first_below_slices(std::string_view& path, std::string_view& innermost_slice) {
    while (!path.empty()) {
        const std::string_view name = unescape(take_until(path, '/'));
        if (name.empty()) {
            continue;
        }
        if (!is_slice(name)) {
            return name;
        }
        innermost_slice = name;
    }
    return {};
}

std::optional<Unit> container_in(std::string_view path) {
    std::optional<std::string> pod;
    bool below_kubepods = false;
    bool below_docker = false;
    while (!path.empty()) {
        // Where the kubelet uses systemd's names and the runtime does not ask systemd, runc takes
        // `SLICE:PREFIX:ID` for one directory.
        std::string_view scope = take_until(path, '/');
        const std::string_view name = take_until(scope, ':');
        below_kubepods |= is_kubepods(name);
        if (below_kubepods) {
            if (auto uid = pod_of(name)) {
                pod = std::move(uid);
            }
        }
        take_until(scope, ':');
        const std::string_view id = scope.empty() ? name : scope;
        auto container = container_of(id);
        if (!container && (below_docker || pod) && is_container_id(id)) {
            container = Unit{pod ? Manager::kubernetes : Manager::docker,
                             std::string(id.substr(0, short_id_length)),
                             {}};
        }
        if (container) {
            if (pod) {
                container->manager = Manager::kubernetes;
                container->owner = *pod;
            }
            return container;
        }
        below_docker = name == "docker";
    }
    return std::nullopt;
}

} // namespace

Result<std::string_view> parse_cgroup(std::string_view text) {
    if (!text.ends_with('\n')) {
        return fail(EPROTO, "cgroup file that is cut off");
    }
    std::optional<std::string_view> unified;
    std::optional<std::string_view> systemd;
    while (!text.empty()) {
        std::string_view line = take_until(text, '\n');
        const std::string_view hierarchy = take_until(line, ':');
        const std::string_view controllers = take_until(line, ':');
        if (line.empty() || line.front() != '/') {
            continue;
        }
        if (hierarchy == "0" && controllers.empty()) {
            unified = line;
        } else if (controllers == "name=systemd") {
            systemd = line;
        }
    }
    if (systemd && (*systemd != "/" || !unified)) {
        return *systemd;
    }
    if (unified) {
        return *unified;
    }
    return fail(EPROTO, "cgroup file without the unified hierarchy");
}

std::string_view to_string(Manager manager) {
    switch (manager) {
    case Manager::system:
        return "system";
    case Manager::user:
        return "user";
    case Manager::docker:
        return "docker";
    case Manager::podman:
        return "podman";
    case Manager::kubernetes:
        return "kubernetes";
    case Manager::none:
        break;
    }
    return "none";
}

std::string Unit::display_name() const {
    switch (manager) {
    case Manager::none:
    case Manager::system:
        return name;
    case Manager::user:
        return "user@" + owner + "/" + name;
    case Manager::docker:
    case Manager::podman:
    case Manager::kubernetes:
        break;
    }
    return std::string(to_string(manager)) + "/" + (owner.empty() ? "" : owner + "/") + name;
}

Unit unit_of_cgroup(std::string_view path) {
    path = without_removal_mark(path);
    if (auto container = container_in(path)) {
        return *container;
    }
    std::string_view slice;
    const std::string_view unit = first_below_slices(path, slice);
    if (unit.empty() || !is_unit(unit)) {
        return unit.empty() && !slice.empty() ? Unit{Manager::system, std::string(slice), {}}
                                              : Unit{};
    }
    // Below user@UID.service the user's own manager makes units; its own process is in init.scope.
    const auto uid = between(unit, "user@", ".service");
    if (uid && parse_number<std::uint32_t>(*uid)) {
        std::string_view user_slice;
        const std::string_view user_unit = first_below_slices(path, user_slice);
        if (is_unit(user_unit)) {
            return {Manager::user, std::string(user_unit), std::string(*uid)};
        }
    }
    return {Manager::system, std::string(unit), {}};
}

} // namespace rseq::proc
