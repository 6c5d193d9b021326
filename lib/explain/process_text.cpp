// SPDX-License-Identifier: GPL-2.0-or-later
#include "explain/process_text.h"

#include "core/parse.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <set>
#include <utility>

namespace rseq::explain {

namespace {

constexpr std::uint64_t at_null = 0;
constexpr std::uint64_t at_secure = 23;
constexpr std::uint64_t at_rseq_feature_size = 27;
constexpr std::uint64_t at_rseq_align = 28;
/// The kernel's entries have numbers below 64; more than that is a vector of the other width.
constexpr std::uint64_t largest_type = 1024;

/// The kernel writes a newline in a path as \012, and nothing else so.
std::string unescape_newlines(std::string_view path) {
    constexpr std::string_view newline = "\\012";
    std::string result;
    for (auto at = path.find(newline); at != std::string_view::npos; at = path.find(newline)) {
        result.append(path.substr(0, at)).push_back('\n');
        path.remove_prefix(at + newline.size());
    }
    return result.append(path);
}

/// "START-END PERMS OFFSET DEVICE INODE [PATH]".
std::optional<MappedFile> parse_mapping(std::string_view line) {
    MappedFile file;
    std::string_view range = take_until(line, ' ');
    const auto start = parse_number<std::uint64_t>(take_until(range, '-'), 16);
    const auto end = parse_number<std::uint64_t>(range, 16);
    take_until(line, ' ');
    const auto offset = parse_number<std::uint64_t>(take_until(line, ' '), 16);
    take_until(line, ' ');
    const auto inode = parse_number<std::uint64_t>(take_until(line, ' '));
    if (!start || !end || !offset || !inode || *start >= *end) {
        return std::nullopt;
    }
    line.remove_prefix(std::min(line.find_first_not_of(' '), line.size()));
    constexpr std::string_view deleted = " (deleted)";
    file.deleted = line.ends_with(deleted);
    line.remove_suffix(file.deleted ? deleted.size() : 0);
    file.start = *start;
    file.end = *end;
    file.offset = *offset;
    file.inode = *inode;
    file.path = unescape_newlines(line);
    return file;
}

template <class Word>
std::optional<Auxv> parse_auxv_of(std::string_view bytes) {
    Auxv auxv;
    while (bytes.size() >= 2 * sizeof(Word)) {
        Word type{};
        Word value{};
        std::memcpy(&type, bytes.data(), sizeof(Word));
        std::memcpy(&value, bytes.data() + sizeof(Word), sizeof(Word));
        bytes.remove_prefix(2 * sizeof(Word));
        switch (static_cast<std::uint64_t>(type)) {
        case at_null:
            return auxv;
        case at_secure:
            auxv.secure = value != 0;
            break;
        case at_rseq_feature_size:
            auxv.rseq_feature_size = value;
            break;
        case at_rseq_align:
            auxv.rseq_align = value;
            break;
        default:
            if (type > largest_type) {
                return std::nullopt;
            }
        }
    }
    return std::nullopt; // it does not end
}

/// The value of a tunable as glibc reads it: decimal, or hexadecimal or octal with a prefix.
std::optional<bool> tunable_value(std::string_view text) {
    int base = 10;
    if (text.starts_with("0x") || text.starts_with("0X")) {
        base = 16;
        text.remove_prefix(2);
    } else if (text.size() > 1 && text.front() == '0') {
        base = 8;
    }
    const auto value = parse_number<std::uint64_t>(text, base);
    return value && *value <= 1 ? std::optional(*value == 1) : std::nullopt;
}

} // namespace

Result<std::vector<MappedFile>> parse_maps(std::string_view text) {
    std::vector<MappedFile> files;
    // A process may have tens of thousands of mappings, each of another file.
    std::set<std::pair<std::uint64_t, std::string>> known;
    while (!text.empty()) {
        auto mapping = parse_mapping(take_until(text, '\n'));
        if (!mapping) {
            return fail(EPROTO, "maps has a line that makes no sense");
        }
        if (mapping->inode != 0 && mapping->path.starts_with('/') &&
            known.emplace(mapping->inode, mapping->path).second) {
            files.push_back(std::move(*mapping));
        }
    }
    return files;
}

Result<Auxv> parse_auxv(std::string_view bytes) {
    auto auxv = parse_auxv_of<std::uint64_t>(bytes);
    if (!auxv) {
        auxv = parse_auxv_of<std::uint32_t>(bytes);
    }
    if (!auxv) {
        return fail(EPROTO, "auxv makes no sense");
    }
    return *auxv;
}

std::optional<bool> rseq_tunable(std::string_view environment) {
    constexpr std::string_view variable = "GLIBC_TUNABLES=";
    constexpr std::string_view name = "glibc.pthread.rseq=";
    std::optional<bool> told;
    while (!environment.empty()) {
        std::string_view value = take_until(environment, '\0');
        if (!value.starts_with(variable)) {
            continue;
        }
        value.remove_prefix(variable.size());
        while (!value.empty()) {
            std::string_view tunable = take_until(value, ':');
            if (tunable.starts_with(name)) {
                tunable.remove_prefix(name.size());
                const auto one = tunable_value(tunable);
                told = one ? one : told;
            }
        }
    }
    return told;
}

Result<Seccomp> parse_seccomp(std::string_view status) {
    const auto mode = parse_number<std::uint32_t>(value_of_key(status, "Seccomp").value_or(""));
    if (!mode) {
        return fail(EPROTO, "status does not tell of seccomp");
    }
    return Seccomp{*mode,
                   parse_number<std::uint32_t>(value_of_key(status, "Seccomp_filters").value_or(""))
                       .value_or(0)};
}

} // namespace rseq::explain
