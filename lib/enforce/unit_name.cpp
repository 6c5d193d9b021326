// SPDX-License-Identifier: GPL-2.0-or-later
#include "enforce/unit_name.h"

#include <algorithm>
#include <array>

namespace rseq::enforce {

namespace {

constexpr std::string_view service_suffix = ".service";

bool is_unit_character(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view(":-_.\\@").find(c) != std::string_view::npos;
}

bool is_other_unit(std::string_view name) {
    constexpr std::array<std::string_view, 10> suffixes{
        ".socket", ".device", ".mount", ".automount", ".swap",
        ".target", ".path",   ".timer", ".slice",     ".scope"};
    return std::any_of(suffixes.begin(), suffixes.end(),
                       [&](std::string_view suffix) { return name.ends_with(suffix); });
}

/// The name without its suffix; empty if it is not the name of a service or its template.
std::string_view stem_of(std::string_view name) {
    if (name.size() > longest_unit_name || !name.ends_with(service_suffix) || name.front() == '@' ||
        !std::all_of(name.begin(), name.end(), is_unit_character)) {
        return {};
    }
    return name.substr(0, name.size() - service_suffix.size());
}

} // namespace

bool is_service(std::string_view name) {
    const std::string_view stem = stem_of(name);
    const std::string_view prefix = stem.substr(0, stem.find('@'));
    return !stem.empty() && stem.back() != '@' && prefix.back() != '-';
}

std::optional<std::string> service_of(const proc::UnitPattern& pattern) {
    std::string name = pattern.pattern();
    if (!pattern.is_literal() || is_other_unit(name)) {
        return std::nullopt;
    }
    if (!name.ends_with(service_suffix)) {
        name += service_suffix;
    }
    return is_service(name) ? std::optional(std::move(name)) : std::nullopt;
}

std::optional<std::string> template_of(const proc::UnitPattern& pattern) {
    std::string name = pattern.pattern();
    const std::size_t asterisk = name.find("@*");
    if (asterisk == std::string::npos || (name.substr(asterisk) != "@*.service")) {
        return std::nullopt;
    }
    name.erase(asterisk + 1, 1);
    const std::string_view stem = stem_of(name);
    const bool is_template =
        !stem.empty() && stem.find('@') == stem.size() - 1 && stem[stem.size() - 2] != '-';
    return is_template ? std::optional(std::move(name)) : std::nullopt;
}

std::optional<std::string> template_of_instance(std::string_view service) {
    const std::size_t at = service.find('@');
    if (at == std::string_view::npos) {
        return std::nullopt;
    }
    return std::string(service.substr(0, at + 1)) + std::string(service_suffix);
}

std::string default_slice(std::string_view service) {
    const std::size_t at = service.find('@');
    if (at == std::string_view::npos) {
        return "system.slice";
    }
    // A dash within the name of a slice separates its parents.
    std::string slice = "system-";
    for (const char c : service.substr(0, at)) {
        slice += c == '-' ? std::string("\\x2d") : std::string(1, c);
    }
    return slice + ".slice";
}

std::string cgroup_of_unit(std::string_view slice, std::string_view unit) {
    constexpr std::string_view suffix = ".slice";
    std::string path;
    if (slice.ends_with(suffix) && slice != "-.slice") {
        const std::string_view name = slice.substr(0, slice.size() - suffix.size());
        for (std::size_t end = 0; end != std::string_view::npos;) {
            end = name.find('-', end + 1);
            path += '/';
            path += name.substr(0, end);
            path += suffix;
        }
    }
    path += '/';
    path += unit;
    return path;
}

} // namespace rseq::enforce
