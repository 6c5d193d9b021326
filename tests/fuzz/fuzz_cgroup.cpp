// SPDX-License-Identifier: GPL-2.0-or-later
#include "fuzz.h"
#include "proc/cgroup.h"

#include <algorithm>
#include <cerrno>
#include <string>

using namespace rseq::proc;

namespace {

bool is_container(const Unit& unit) {
    return unit.manager == Manager::docker || unit.manager == Manager::podman ||
           unit.manager == Manager::kubernetes;
}

bool all_of(std::string_view text, std::string_view allowed) {
    return text.find_first_not_of(allowed) == std::string_view::npos;
}

void check_unit(std::string_view path) {
    const Unit unit = unit_of_cgroup(path);
    require((unit.manager == Manager::none) == unit.name.empty(), "no manager, no name");
    require(unit.display_name().empty() == unit.name.empty(), "what has a name shows it");
    require(path.find(unit.name) != std::string_view::npos, "the name is from the path");
    require(unit.name.find('/') == std::string::npos, "the name is of one component");
    switch (unit.manager) {
    case Manager::none:
    case Manager::system:
        require(unit.owner.empty(), "only users and pods own");
        break;
    case Manager::user:
        require(!unit.owner.empty() && unit.owner.size() <= 10 && all_of(unit.owner, "0123456789"),
                "a user is a number");
        require(path.find("user@" + unit.owner + ".service/") != std::string_view::npos,
                "the user's manager is in the path");
        break;
    case Manager::docker:
    case Manager::podman:
        require(unit.owner.empty(), "only users and pods own");
        [[fallthrough]];
    case Manager::kubernetes:
        require(unit.name.size() == 12 && all_of(unit.name, "0123456789abcdef"),
                "a container is 12 digits of its ID");
        break;
    }

    constexpr std::string_view mark = " (deleted)";
    if (path.ends_with(mark)) {
        return;
    }
    require(unit_of_cgroup(std::string(path) + std::string(mark)) == unit,
            "a removed cgroup keeps its unit");
    if (is_container(unit)) {
        require(unit_of_cgroup(std::string(path) + "/system.slice/x.service") == unit,
                "what runs in a container belongs to it");
    }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text = text_of(data, size);
    const auto path = parse_cgroup(text);
    if (path) {
        require(is_within(*path, text), "the path is in the text");
        require(path->starts_with('/'), "the path is absolute");
        const auto begin = static_cast<std::size_t>(path->data() - text.data());
        require(begin > 0 && text[begin - 1] == ':', "the path begins behind a colon");
        require(text[begin + path->size()] == '\n', "the path ends with its line");
        require(path->find('\n') == std::string_view::npos, "the path is one line");
        check_unit(*path);
    } else {
        require(path.error().code == EPROTO, "what is no cgroup file is EPROTO");
    }

    // The same bytes as a path: any name must come through.
    std::string name(text);
    std::replace(name.begin(), name.end(), '\n', '/');
    const std::string whole = "1:name=systemd:/\n0::/" + name + "\n";
    const auto named = parse_cgroup(whole);
    require(named && *named == "/" + name, "any path comes through");
    check_unit(*named);
    return 0;
}
