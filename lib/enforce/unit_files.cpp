// SPDX-License-Identifier: GPL-2.0-or-later
#include "enforce/unit_files.h"

#include "core/file.h"
#include "core/parse.h"
#include "enforce/drop_in.h"
#include "enforce/unit_name.h"

#include <fcntl.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <iterator>
#include <optional>
#include <set>
#include <string_view>
#include <system_error>
#include <utility>

namespace rseq::enforce {

namespace {

namespace fs = std::filesystem;

constexpr std::size_t file_limit = std::size_t{256} * 1024;
constexpr std::string_view suffix = ".service";
constexpr std::string_view tunables_variable = "GLIBC_TUNABLES";

/// The names in a folder, in their order.
std::set<std::string> names_in(const fs::path& folder) {
    std::set<std::string> names;
    std::error_code error;
    for (fs::directory_iterator entry(folder, error), end; !error && entry != end;
         entry.increment(error)) {
        names.insert(entry->path().filename());
    }
    return names;
}

/// The folders of drop-ins that a service has: its own, its template's, and those for all whose
/// name begins alike.
std::vector<std::string> drop_in_folders(const std::string& unit) {
    std::vector<std::string> folders{"service.d"};
    for (std::size_t dash = unit.find('-'); dash != std::string::npos;
         dash = unit.find('-', dash + 1)) {
        folders.push_back(unit.substr(0, dash + 1) + std::string(suffix) + ".d");
    }
    if (const auto common = template_of_instance(unit)) {
        folders.push_back(*common + ".d");
    }
    folders.push_back(unit + ".d");
    return folders;
}

/// What a line assigns to `key`, if that is what it does.
std::optional<std::string_view> value_of(std::string_view line, std::string_view key) {
    const std::size_t sign = line.find('=');
    if (sign == std::string_view::npos || trim(line.substr(0, sign)) != key) {
        return std::nullopt;
    }
    line.remove_suffix(line.ends_with('\r') ? 1 : 0);
    return trim(line.substr(sign + 1));
}

/// Whether an EnvironmentFile= can be looked at. What a specifier stands for is not known here, and
/// elsewhere may be file systems that nobody can mount while the service manager waits for this.
bool can_be_read(std::string_view path) {
    const auto is_below = [&](std::string_view folder) {
        return path.starts_with(folder);
    };
    static constexpr std::array<std::string_view, 3> folders{"/etc/", "/run/", "/usr/"};
    return path.find('%') == std::string_view::npos &&
           std::any_of(folders.begin(), folders.end(), is_below);
}

void add_text(std::string_view text, UnitFacts& facts) {
    facts.tunables_in_file =
        facts.tunables_in_file || text.find(tunables_variable) != std::string_view::npos;
    facts.allow_list = facts.allow_list || text.find("SystemCallFilter") != std::string_view::npos;
    while (!text.empty()) {
        const std::string_view line = text.substr(0, text.find('\n'));
        text.remove_prefix(std::min(line.size() + 1, text.size()));
        if (const auto slice = value_of(line, "Slice")) {
            facts.slice = *slice;
        } else if (auto path = value_of(line, "EnvironmentFile")) {
            path->remove_prefix(path->starts_with('-') ? 1 : 0);
            facts.tunables_in_file =
                facts.tunables_in_file || !can_be_read(*path) || sets_tunables(std::string(*path));
        }
    }
}

void add_file(const fs::path& path, UnitFacts& facts) {
    std::error_code ignored;
    if (!fs::is_regular_file(path, ignored)) {
        return;
    }
    if (const auto text = read_file(AT_FDCWD, path.c_str(), file_limit)) {
        add_text(*text, facts);
    } else {
        facts.tunables_in_file = true;
        facts.allow_list = true;
    }
}

} // namespace

UnitFiles::UnitFiles(std::vector<std::string> folders) : folders_(std::move(folders)) {
    for (const std::string& folder : folders_) {
        for (const std::string& name : names_in(folder)) {
            if (name.ends_with(suffix)) {
                files_.emplace(name, fs::path(folder) / name); // what is there already wins
            } else if (name.ends_with(".wants") || name.ends_with(".requires")) {
                wanted_.merge(names_in(fs::path(folder) / name));
            }
        }
    }
    for (const auto& [name, path] : files_) {
        std::error_code error;
        const std::string target = fs::read_symlink(path, error).filename();
        // One to a file elsewhere is no alias, whatever its name there, and one to /dev/null masks.
        if (!error && name != target && is_service(name) && is_service(target) &&
            files_.contains(target)) {
            aliases_.emplace(name, target);
        }
    }
}

std::vector<std::string> UnitFiles::services() const {
    std::set<std::string> names;
    for (const auto& [name, path] : files_) {
        names.insert(name);
    }
    std::copy_if(wanted_.begin(), wanted_.end(), std::inserter(names, names.end()),
                 [](const std::string& name) { return name.ends_with(suffix); });
    return {names.begin(), names.end()};
}

bool UnitFiles::is_masked(const std::string& service) const {
    const auto found = files_.find(service);
    if (found == files_.end()) {
        return false;
    }
    std::error_code ignored;
    return fs::read_symlink(found->second, ignored) == "/dev/null" ||
           (fs::is_regular_file(found->second, ignored) &&
            fs::file_size(found->second, ignored) == 0);
}

UnitFacts UnitFiles::facts(const std::string& unit) const {
    UnitFacts facts;
    const auto alias = aliases_.find(unit);
    facts.id = alias == aliases_.end() ? unit : alias->second;
    auto found = files_.find(unit);
    if (const auto common = template_of_instance(unit); common && found == files_.end()) {
        found = files_.find(*common);
    }
    if (found != files_.end()) {
        add_file(found->second, facts);
    }
    // Those of its other names count as well.
    std::vector<std::string> places = drop_in_folders(unit);
    for (const auto& [name, target] : aliases_) {
        if (target == unit) {
            places.push_back(name + ".d");
        }
    }
    const auto add_from = [&](const fs::path& place) {
        for (const std::string& file : names_in(place)) {
            if (file.ends_with(".conf") && file != drop_in_name) {
                add_file(place / file, facts);
            }
        }
    };
    for (const std::string& name : places) {
        std::for_each(folders_.rbegin(), folders_.rend(),
                      [&](const std::string& folder) { add_from(fs::path(folder) / name); });
    }
    return facts;
}

bool sets_tunables(const std::string& path) {
    std::error_code ignored;
    if (!fs::is_regular_file(path, ignored)) {
        return false;
    }
    const auto text = read_file(AT_FDCWD, path.c_str(), file_limit);
    return text && text->find(tunables_variable) != std::string::npos;
}

} // namespace rseq::enforce
