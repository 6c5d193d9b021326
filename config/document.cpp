// SPDX-License-Identifier: GPL-2.0-or-later
#include "config/document.h"

#include "config/load.h"
#include "core/escape.h"
#include "core/parse.h"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <exception>
#include <sstream>
#include <utility>

namespace rseq::config {

namespace {

using Kind = Value::Kind;

/// Ends the parsing of a document after the reason has been reported.
struct Stop : std::exception {};

Position position_of(const YAML::Mark& mark) {
    return mark.is_null() ? Position{} : Position{mark.line + 1, mark.column + 1};
}

/// Where the item that is missing in a list should be: yaml-cpp names what comes next instead,
/// which blank lines and comments may separate from the dash.
Position position_of_missing_item(std::string_view text, const YAML::Mark& next) {
    std::string_view before = text.substr(0, static_cast<std::size_t>(std::max(next.pos, 0)));
    for (int line = next.line + 1; line > 0; line--) {
        const std::size_t start = before.rfind('\n') + 1;
        const std::string_view whole = before.substr(start);
        const std::string_view content = whole.substr(0, whole.find('#'));
        const std::size_t last = content.find_last_not_of(" \t\r");
        if (last != std::string_view::npos) {
            return content[last] == '-' ? Position{line, static_cast<int>(last) + 1}
                                        : position_of(next);
        }
        before = before.substr(0, start == 0 ? 0 : start - 1);
    }
    return position_of(next);
}

void report_too_many(Position at, Report& report) {
    report.error(at, "more than " + std::to_string(max_values_per_file) + " keys and values",
                 "split the file");
}

/// Builds nodes out of the events of the parser, which recurses once for each level of the
/// document: to refuse a level here bounds the stack there.
class Builder : public YAML::EventHandler {
public:
    Builder(std::string_view text, Report& report) : text_(text), report_(report) {}

    std::optional<Value> take() { return std::move(document_); }

    void OnDocumentStart(const YAML::Mark& mark) override {
        if (documents_++ > 0) {
            const std::size_t start = std::min(static_cast<std::size_t>(mark.pos), text_.size());
            stop(mark,
                 text_.substr(start).starts_with("---") ? "a second document begins here"
                                                        : "there is more behind the document",
                 "one file is one document");
        }
    }
    void OnDocumentEnd() override {}

    void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
        Value node;
        node.at = position_of(mark);
        const Value* const parent = open_.empty() ? nullptr : &open_.back();
        if (parent != nullptr && parent->kind == Kind::mapping &&
            parent->children.size() % 2 == 1) {
            node.at = parent->children.back().at;
        } else if (parent != nullptr && parent->kind == Kind::sequence) {
            node.at = position_of_missing_item(text_, mark);
        }
        add(mark, anchor, std::move(node));
    }

    void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override {
        report_.error(position_of(mark), "aliases (*) are not supported", "write the value out");
        add(mark, 0, {Kind::refused, position_of(mark), {}, {}});
    }

    void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  const std::string& value) override {
        Value node{tag == "!" ? Kind::quoted : Kind::plain, position_of(mark), {}, {}};
        if (value.size() > max_scalar_bytes) {
            report_.error(node.at, "longer than " + std::to_string(max_scalar_bytes) +
                                       " bytes: " + quote(value));
            node.kind = Kind::refused;
        } else if (check_tag(mark, tag)) {
            node.text = value;
        } else {
            node.kind = Kind::refused;
        }
        add(mark, anchor, std::move(node));
    }

    void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                         YAML::EmitterStyle::value) override {
        open(mark, tag, anchor, Kind::sequence);
    }
    void OnSequenceEnd() override { close(); }
    void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                    YAML::EmitterStyle::value) override {
        open(mark, tag, anchor, Kind::mapping);
    }
    void OnMapEnd() override { close(); }

private:
    [[noreturn]] void stop(const YAML::Mark& mark, std::string message, std::string hint = {}) {
        report_.error(position_of(mark), std::move(message), std::move(hint));
        throw Stop();
    }

    /// yaml-cpp gives nodes without a tag one of these two.
    bool check_tag(const YAML::Mark& mark, const std::string& tag) {
        if (tag == "?" || tag == "!") {
            return true;
        }
        report_.error(position_of(mark), "tags (!) are not supported", "write the value alone");
        return false;
    }

    void check(const YAML::Mark& mark, YAML::anchor_t anchor) {
        if (++values_ > max_values_per_file) {
            report_too_many(position_of(mark), report_);
            throw Stop();
        }
        if (anchor != 0) {
            report_.error(position_of(mark), "anchors (&) are not supported",
                          "write the value without a name");
        }
    }

    void open(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor, Kind kind) {
        check(mark, anchor);
        static_cast<void>(check_tag(mark, tag));
        if (open_.size() >= max_depth) {
            stop(mark, "more than " + std::to_string(max_depth) + " levels of lists and mappings");
        }
        open_.push_back({kind, position_of(mark), {}, {}});
    }

    void close() {
        Value node = std::move(open_.back());
        open_.pop_back();
        put(std::move(node));
    }

    void add(const YAML::Mark& mark, YAML::anchor_t anchor, Value node) {
        check(mark, anchor);
        put(std::move(node));
    }

    void put(Value node) {
        if (open_.empty()) {
            document_ = std::move(node);
        } else {
            open_.back().children.push_back(std::move(node));
        }
    }

    std::string_view text_;
    Report& report_;
    std::optional<Value> document_;
    /// What has begun and not ended, the outermost first.
    std::vector<Value> open_;
    std::size_t values_ = 0;
    std::size_t documents_ = 0;
};

/// Reports what a person who reads the file would not see, what yaml-cpp would take for another
/// encoding, and directives: they could only ask for another version or for tags. A carriage return
/// is accepted at the end of a line.
void check_characters(std::string_view text, Report& report) {
    for (int line = 1; !text.empty(); line++) {
        std::string_view rest = take_until(text, '\n');
        const char* const start = rest.data();
        if (rest.ends_with('\r')) {
            rest.remove_suffix(1);
        }
        if (rest.starts_with('%')) {
            report.error({line, 1}, "directives (%) are not supported", "remove the line");
        }
        const std::size_t blanks = rest.find_first_not_of(" \t");
        if (const std::size_t tab = rest.find('\t');
            tab < blanks && blanks != std::string_view::npos) {
            report.error({line, static_cast<int>(tab) + 1}, "a tab in the indentation",
                         "use spaces");
        }
        for (;;) {
            const std::string_view bad = first_unprintable(rest);
            if (bad.empty()) {
                break;
            }
            if (bad != "\t") {
                report.error({line, static_cast<int>(bad.data() - start) + 1},
                             quote(bad) + " is not UTF-8 or cannot be seen");
                break;
            }
            rest.remove_prefix(static_cast<std::size_t>(bad.data() - rest.data()) + 1);
        }
    }
}

/// yaml-cpp keeps the tokens of a list or mapping in brackets, 100 bytes and more for each, until
/// it has seen the end of it. A text with more signs that make values than there may be values is
/// therefore refused before.
void check_signs(std::string_view text, Report& report) {
    std::size_t signs = 0;
    for (std::size_t at = text.find_first_of("[{,:"); at != std::string_view::npos;
         at = text.find_first_of("[{,:", at + 1)) {
        if (++signs > max_values_per_file) {
            report_too_many(position_behind(text.substr(0, at)), report);
            return;
        }
    }
}

/// True if there is nothing but blank lines and comments.
bool is_blank(std::string_view text) {
    while (!text.empty()) {
        const std::string_view line = take_until(text, '\n');
        const std::size_t first = line.find_first_not_of(" \t\r");
        if (first != std::string_view::npos && line[first] != '#') {
            return false;
        }
    }
    return true;
}

/// The mark that yaml-cpp needs at the end of a document: without it a scalar whose quotation mark
/// is missing would end at the end of the file, as if nothing had been cut off.
constexpr std::string_view end_mark = "\n...\n";

void report_syntax(const YAML::Exception& error, std::string_view text, Report& report) {
    if (error.mark.pos >= static_cast<int>(text.size())) {
        report.error(position_behind(text), "the file ends too early",
                     "a bracket or a quotation mark is not closed");
        return;
    }
    // yaml-cpp's words, and in some cases words of the file.
    constexpr std::size_t longest = 100;
    report.error(position_of(error.mark), escape_untrusted(error.msg.substr(0, longest)));
}

} // namespace

std::optional<Value> parse_document(std::string_view text, Report& report) {
    if (text.size() > max_file_bytes) {
        report.error({}, "larger than " + std::to_string(max_file_bytes / 1024) + " KiB",
                     "split the file");
        return std::nullopt;
    }
    check_characters(text, report);
    check_signs(text, report);
    if (!report.clean() || is_blank(text)) {
        return std::nullopt;
    }
    try {
        std::istringstream stream(std::string(text).append(end_mark));
        Builder builder(stream.view(), report);
        YAML::Parser parser(stream);
        while (parser.HandleNextDocument(builder)) {
        }
        return builder.take();
    } catch (const Stop&) {
        // Has been reported.
    } catch (const YAML::Exception& error) {
        report_syntax(error, text, report);
    } catch (const std::exception& error) {
        report.error({}, std::string("cannot be read as YAML: ") + error.what());
    }
    return std::nullopt;
}

} // namespace rseq::config
