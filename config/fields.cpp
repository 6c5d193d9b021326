// SPDX-License-Identifier: GPL-2.0-or-later
#include "config/fields.h"

#include "core/escape.h"
#include "core/parse.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <numeric>

namespace rseq::config {

namespace {

using Kind = Value::Kind;

bool consists_of(std::string_view text, std::string_view characters) {
    return !text.empty() && text.find_first_not_of(characters) == std::string_view::npos;
}

constexpr std::string_view decimal = "0123456789";

/// What a plain scalar is in the core schema of YAML 1.2 (10.3.2). null is told by the parser.
bool is_boolean(std::string_view text) {
    constexpr std::array<std::string_view, 6> words{"true",  "True",  "TRUE",
                                                    "false", "False", "FALSE"};
    return std::find(words.begin(), words.end(), text) != words.end();
}

bool is_number(std::string_view text) {
    if (text.starts_with("0x")) {
        return consists_of(text.substr(2), "0123456789abcdefABCDEF");
    }
    if (text.starts_with("0o")) {
        return consists_of(text.substr(2), "01234567");
    }
    if (text == ".nan" || text == ".NaN" || text == ".NAN") {
        return true;
    }
    if (text.starts_with('+') || text.starts_with('-')) {
        text.remove_prefix(1);
    }
    if (text == ".inf" || text == ".Inf" || text == ".INF") {
        return true;
    }
    const std::size_t digits = text.find_first_not_of(decimal);
    if (digits == std::string_view::npos) {
        return !text.empty();
    }
    // from_chars also takes a sign and the words for what is no number.
    double value = 0;
    const char* const end = text.data() + text.size();
    return consists_of(text.substr(0, 1), "0123456789.") &&
           std::from_chars(text.data(), end, value).ptr == end;
}

std::string describe(const Value& node) {
    switch (node.kind) {
    case Kind::null:
        return "nothing";
    case Kind::sequence:
        return "a list";
    case Kind::mapping:
        return "a mapping";
    case Kind::plain:
        if (is_number(node.text)) {
            return "the number " + quote(node.text);
        }
        return (is_boolean(node.text) ? "the truth value " : "the word ") + quote(node.text);
    case Kind::quoted:
    case Kind::refused:
        break;
    }
    return "the text " + quote(node.text);
}

/// Reports a value that is not what it has to be, unless something was reported of it already.
void wrong_type(std::string_view what, const Value& value, std::string_view wanted, Report& report,
                std::string hint = {}) {
    if (value.kind != Kind::refused) {
        report.error(value.at,
                     std::string(what) + " must be " + std::string(wanted) + ", not " +
                         describe(value),
                     std::move(hint));
    }
}

/// How many characters have to be put in, taken out or replaced to make `a` into `b`.
std::size_t distance(std::string_view a, std::string_view b) {
    std::vector<std::size_t> row(b.size() + 1);
    std::iota(row.begin(), row.end(), std::size_t{0});
    for (const char c : a) {
        std::size_t diagonal = row[0]++;
        for (std::size_t j = 0; j < b.size(); j++) {
            const std::size_t replaced = diagonal + (c == b[j] ? 0 : 1);
            diagonal = row[j + 1];
            row[j + 1] = std::min({replaced, row[j] + 1, row[j + 1] + 1});
        }
    }
    return row[b.size()];
}

std::string list(std::span<const std::string_view> words) {
    std::string text;
    for (const std::string_view word : words) {
        text += text.empty() ? "" : ", ";
        text += word;
    }
    return text;
}

/// The key that was probably meant, or all that there are.
std::string suggest(std::string_view written, std::span<const std::string_view> known) {
    constexpr std::size_t longest = 32;
    if (written.size() <= longest) {
        const auto best = std::min_element(known.begin(), known.end(), [&](auto a, auto b) {
            return distance(written, a) < distance(written, b);
        });
        if (best != known.end() && distance(written, *best) * 2 <= best->size()) {
            return "did you mean " + quote(*best) + "?";
        }
    }
    return "known here: " + list(known);
}

/// The version of a document, if it is a number that is not 1.
const Value* other_version(const Value& document) {
    const std::vector<Value>& nodes = document.children;
    for (std::size_t i = 0; document.kind == Kind::mapping && i + 1 < nodes.size(); i += 2) {
        const Value& value = nodes[i + 1];
        if (nodes[i].text == "version" && value.kind == Kind::plain && value.text != "1" &&
            consists_of(value.text, decimal)) {
            return &value;
        }
    }
    return nullptr;
}

} // namespace

Fields::Fields(const Value& node, std::string_view what, std::span<const std::string_view> known,
               Report& report) {
    if (node.kind != Kind::mapping) {
        wrong_type(what, node, "a mapping", report);
        sound_ = false;
        return;
    }
    for (std::size_t i = 0; i + 1 < node.children.size(); i += 2) {
        add(node.children[i], node.children[i + 1], known, report);
    }
}

void Fields::add(const Value& key, const Value& value, std::span<const std::string_view> known,
                 Report& report) {
    if (key.kind != Kind::plain && key.kind != Kind::quoted) {
        wrong_type("a key", key, "a word", report);
        sound_ = false;
        return;
    }
    if (const Field* const earlier = find(key.text)) {
        report.error(key.at, "key " + quote(key.text) + " appears twice",
                     "it is in line " + std::to_string(earlier->at.line) + " already");
        sound_ = false;
        return;
    }
    if (key.text == "<<") {
        report.error(key.at, "merge keys (<<) are not supported", "write the values out");
        sound_ = false;
        return;
    }
    if (std::find(known.begin(), known.end(), key.text) == known.end()) {
        report.error(key.at, "unknown key " + quote(key.text), suggest(key.text, known));
        sound_ = false;
        return;
    }
    fields_.push_back({key.text, key.at, &value});
}

const Field* Fields::find(std::string_view key) const {
    const auto found = std::find_if(fields_.begin(), fields_.end(),
                                    [&](const Field& field) { return field.key == key; });
    return found == fields_.end() ? nullptr : &*found;
}

std::optional<std::string> read_text(const Field& field, Report& report) {
    const Value& value = *field.value;
    const bool plain =
        value.kind == Kind::plain && !is_number(value.text) && !is_boolean(value.text);
    if (!plain && value.kind != Kind::quoted) {
        wrong_type(quote(field.key), value, "text", report,
                   value.kind == Kind::plain ? "put it into quotation marks" : "");
        return std::nullopt;
    }
    if (value.text.empty()) {
        report.error(value.at, quote(field.key) + " is empty");
        return std::nullopt;
    }
    if (const std::string_view bad = first_unprintable(value.text); !bad.empty()) {
        report.error(value.at,
                     quote(field.key) + " contains " + quote(bad) + ", which cannot be seen");
        return std::nullopt;
    }
    return value.text;
}

std::optional<std::uint64_t> read_number(const Field& field, std::uint64_t least,
                                         std::uint64_t most, Report& report) {
    const Value& value = *field.value;
    const std::string range = std::to_string(least) + " to " + std::to_string(most);
    if (value.kind != Kind::plain || !is_number(value.text)) {
        wrong_type(quote(field.key), value, "a number", report,
                   value.kind == Kind::quoted && is_number(value.text)
                       ? "leave the quotation marks out"
                       : "");
        return std::nullopt;
    }
    const std::string_view digits =
        value.text.starts_with('-') ? std::string_view(value.text).substr(1) : value.text;
    if (!consists_of(digits, decimal) || (digits.size() > 1 && digits.starts_with('0'))) {
        report.error(value.at, quote(field.key) + " must be a number in decimal digits, not " +
                                   quote(value.text));
        return std::nullopt;
    }
    const auto number = parse_number<std::uint64_t>(value.text);
    if (!number || *number < least || *number > most) {
        report.error(value.at, quote(field.key) + " must be in the range " + range + ", not " +
                                   quote(value.text));
        return std::nullopt;
    }
    return number;
}

std::optional<std::size_t> read_word(const Field& field, std::span<const std::string_view> words,
                                     Report& report) {
    const Value& value = *field.value;
    if (value.kind != Kind::plain && value.kind != Kind::quoted) {
        wrong_type(quote(field.key), value, "one of " + list(words), report);
        return std::nullopt;
    }
    const auto found = std::find(words.begin(), words.end(), value.text);
    if (found == words.end()) {
        report.error(value.at, quote(field.key) + " cannot be " + quote(value.text),
                     "one of: " + list(words));
        return std::nullopt;
    }
    return static_cast<std::size_t>(found - words.begin());
}

const std::vector<Value>* read_sequence(const Field& field, Report& report) {
    const Value& value = *field.value;
    if (value.kind != Kind::sequence) {
        wrong_type(quote(field.key), value, "a list", report);
        return nullptr;
    }
    return &value.children;
}

std::optional<Fields> read_file(const Value& document, std::string_view what,
                                std::span<const std::string_view> known, Report& report) {
    if (const Value* const version = other_version(document)) {
        report.error(version->at, "version " + quote(version->text) + " is not supported",
                     "this program reads version 1");
        return std::nullopt;
    }
    Fields fields(document, what, known, report);
    const Field* const version = fields.find("version");
    if (version == nullptr) {
        if (fields.sound()) {
            report.error(document.at, "'version' is missing", "begin the file with 'version: 1'");
        }
        return std::nullopt;
    }
    const Value& value = *version->value;
    if (value.kind != Kind::plain || value.text != "1") {
        wrong_type("'version'", value, "the number 1", report);
        return std::nullopt;
    }
    return fields;
}

} // namespace rseq::config
