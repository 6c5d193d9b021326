// SPDX-License-Identifier: GPL-2.0-or-later
#include "enforce/held.h"

#include "core/file.h"
#include "core/parse.h"
#include "enforce/cgroup_tree.h"

#include <nlohmann/json.hpp>

#include <cerrno>
#include <utility>

namespace rseq::enforce {

namespace {

using Json = nlohmann::json;

constexpr int version = 1;
constexpr int nesting_limit = 4;
constexpr mode_t file_mode = 0644;

bool is_plain(char c) {
    return c > ' ' && c <= '~' && c != '%' && c != '"';
}

std::string escape_path(std::string_view path) {
    constexpr std::string_view digits = "0123456789ABCDEF";
    std::string text;
    for (const char c : path) {
        if (is_plain(c)) {
            text += c;
        } else {
            const auto byte = static_cast<unsigned char>(c);
            text += '%';
            text += digits[byte >> 4U];
            text += digits[byte & 15U];
        }
    }
    return text;
}

std::optional<std::string> unescape_path(std::string_view text) {
    std::string path;
    while (!text.empty()) {
        std::size_t length = 1;
        char c = text.front();
        if (c == '%') {
            length = 3;
            const auto byte = parse_number<std::uint8_t>(text.substr(1, 2), 16);
            if (text.size() < length || !byte) {
                return std::nullopt;
            }
            c = static_cast<char>(*byte);
        } else if (!is_plain(c)) {
            return std::nullopt;
        }
        path += c;
        text.remove_prefix(length);
    }
    return path;
}

/// Whether lists and objects are nested deeper than ours are. The parser would not mind, but each
/// costs memory; and its own means of watching the depth take time by the square of the members.
bool is_deep(std::string_view text) {
    int depth = 0;
    bool in_string = false;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char c = text[i];
        if (c == '"') {
            in_string = !in_string;
        } else if (in_string) {
            i += c == '\\' ? 1 : 0;
        } else if (c == '{' || c == '[') {
            if (++depth > nesting_limit) {
                return true;
            }
        } else if (c == '}' || c == ']') {
            --depth;
        }
    }
    return false;
}

template <class Word>
Json pair_of(const Written<Word>& written) {
    return {to_string(written.wrote), to_string(written.before)};
}

/// Reads the members of one object, and remembers whether all was as it should be.
class Members {
public:
    explicit Members(const Json& object) : object_(object), ok_(object.is_object()) {}

    template <class Value>
    void get(const char* key, Value& value, bool (Json::*is_right)() const noexcept) {
        const Json* const member = find(key);
        ok_ = ok_ && member != nullptr && (member->*is_right)();
        if (ok_) {
            value = member->get<Value>();
        }
    }

    /// A pair of words of a setting; absent if it is not held.
    template <class Word>
    void get(const std::string& key, std::optional<Written<Word>>& written) {
        const Json* const member = find(key.c_str());
        if (member == nullptr) {
            return;
        }
        ok_ = ok_ && member->is_array() && member->size() == 2;
        const auto word = [&](std::size_t index) -> std::optional<Word> {
            if (!ok_ || !(*member)[index].is_string()) {
                return std::nullopt;
            }
            const auto setting = parse_line(key + " " + (*member)[index].get<std::string>());
            return setting && std::holds_alternative<Word>(*setting)
                       ? std::optional(std::get<Word>(*setting))
                       : std::nullopt;
        };
        const auto wrote = word(0);
        const auto before = word(1);
        ok_ = ok_ && wrote && before;
        if (ok_) {
            written = Written<Word>{*wrote, *before};
        }
    }

    [[nodiscard]] bool ok() const { return ok_; }

private:
    const Json* find(const char* key) const {
        const auto found = ok_ ? object_.find(key) : object_.end();
        return ok_ && found != object_.end() ? &*found : nullptr;
    }

    const Json& object_;
    bool ok_;
};

tl::unexpected<Error> malformed(const std::string& what) {
    return fail(EPROTO, "cannot use " + std::string(held_file) + ": " + what);
}

std::optional<HeldCgroup> cgroup_of(const Json& object) {
    HeldCgroup cgroup;
    Members members(object);
    members.get("id", cgroup.id, &Json::is_number_unsigned);
    members.get("rule", cgroup.rule, &Json::is_string);
    members.get("since_ns", cgroup.since_ns, &Json::is_number_unsigned);
    members.get("fresh", cgroup.fresh, &Json::is_boolean);
    members.get("mode", cgroup.mode);
    members.get("slice", cgroup.slice);
    return members.ok() && !cgroup.empty() ? std::optional(std::move(cgroup)) : std::nullopt;
}

} // namespace

bool HeldCgroup::wrote(const Setting& setting) const {
    if (const auto* asked = std::get_if<PolicyMode>(&setting)) {
        return mode && mode->wrote == *asked;
    }
    return slice && slice->wrote == std::get<PolicySlice>(setting);
}

bool is_too_long(std::string_view path) {
    // A byte takes no less than one.
    return path.size() > max_held_path || escape_path(path).size() > max_held_path;
}

Room::Room(const std::map<std::string, HeldCgroup>& cgroups) {
    for (const auto& [path, cgroup] : cgroups) {
        add(path);
    }
}

bool Room::has_for(std::string_view path) const {
    return all_ < max_held_cgroups && !is_too_long(path) &&
           (of_users_ < max_held_of_users || !is_of_users(path));
}

void Room::add(std::string_view path) {
    ++all_;
    if (is_of_users(path)) {
        ++of_users_;
    }
}

void Room::remove(std::string_view path) {
    --all_;
    if (is_of_users(path)) {
        --of_users_;
    }
}

std::string to_json(const Held& held) {
    Json cgroups = Json::object();
    for (const auto& [path, cgroup] : held.cgroups) {
        Json entry{{"id", cgroup.id},
                   {"rule", cgroup.rule},
                   {"since_ns", cgroup.since_ns},
                   {"fresh", cgroup.fresh}};
        if (cgroup.mode) {
            entry["mode"] = pair_of(*cgroup.mode);
        }
        if (cgroup.slice) {
            entry["slice"] = pair_of(*cgroup.slice);
        }
        cgroups[escape_path(path)] = std::move(entry);
    }
    const Json document{
        {"version", version}, {"reload_pending", held.reload_pending}, {"cgroups", cgroups}};
    // Names of rules are of the loader's characters; nothing that is not UTF-8 can be in here.
    return document.dump(-1, ' ', true, Json::error_handler_t::replace) + "\n";
}

Result<Held> parse_held(std::string_view text) {
    if (text.size() > max_held_bytes) {
        return malformed("it is too long");
    }
    const Json document =
        is_deep(text) ? Json(Json::value_t::discarded) : Json::parse(text, nullptr, false);
    int found_version = 0;
    Held held;
    Json cgroups;
    Members members(document);
    if (document.is_discarded() || !members.ok()) {
        return malformed("it is no JSON document of ours");
    }
    members.get("version", found_version, &Json::is_number_integer);
    members.get("reload_pending", held.reload_pending, &Json::is_boolean);
    members.get("cgroups", cgroups, &Json::is_object);
    if (!members.ok() || found_version != version) {
        return malformed("it is not of version " + std::to_string(version));
    }
    if (cgroups.size() > max_held_cgroups) {
        return malformed("it has too many cgroups");
    }
    for (const auto& [name, entry] : cgroups.items()) {
        auto path = unescape_path(name);
        auto cgroup = cgroup_of(entry);
        if (!path || !path->starts_with('/') || !cgroup) {
            return malformed("the entry of " + name);
        }
        held.cgroups.emplace(std::move(*path), std::move(*cgroup));
    }
    return held;
}

Result<Held> load_held(int dir_fd) {
    const auto text = read_file(dir_fd, held_file, max_held_bytes);
    if (!text) {
        return text.error().code == ENOENT ? Result<Held>() : tl::unexpected<Error>(text.error());
    }
    return parse_held(*text);
}

Result<void> save_held(int dir_fd, const Held& held) {
    return replace_file(dir_fd, held_file, to_json(held), file_mode);
}

} // namespace rseq::enforce
