// SPDX-License-Identifier: GPL-2.0-or-later
#include "trace/format.h"

#include <event-parse.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <limits>

namespace rseq::trace {

namespace {

// libtraceevent reports what it does not know on stderr unless told not to.
tep_handle* quiet_handle() {
    tep_set_loglevel(TEP_LOG_NONE);
    tep_handle* const handle = tep_alloc();
    if (handle != nullptr) {
        tep_set_long_size(handle, sizeof(long));
    }
    return handle;
}

/// The field that an argument of the format is made of, below any type casts.
const char* field_of(const tep_print_arg* arg) {
    while (arg != nullptr && arg->type == TEP_PRINT_TYPE) {
        arg = arg->typecast.item;
    }
    return arg != nullptr && arg->type == TEP_PRINT_FIELD ? arg->field.name : nullptr;
}

std::optional<std::uint64_t> number_of(const char* text) {
    char* end = nullptr;
    errno = 0;
    const auto value = std::strtoull(text, &end, 0);
    return errno == 0 && end != text && *end == '\0' ? std::optional(value) : std::nullopt;
}

} // namespace

std::string Symbols::word(std::uint64_t value) const {
    const auto at = std::find_if(words_.begin(), words_.end(),
                                 [&](const auto& word) { return word.first == value; });
    return at != words_.end() ? at->second : std::to_string(value);
}

void Format::FreeHandle::operator()(tep_handle* handle) const noexcept {
    tep_free(handle);
}
Format::~Format() = default;

Result<Format> Format::parse(std::string_view text, const char* system) {
    Format format;
    format.handle_.reset(quiet_handle());
    if (!format.handle_) {
        return fail(ENOMEM, "cannot parse a trace event format");
    }
    // The parser takes a length, and yet looks for the end of the text.
    const std::string terminated(text);
    // The event is made even if the text that prints it is not understood: only symbols() needs it.
    static_cast<void>(tep_parse_format(format.handle_.get(), &format.event_, terminated.c_str(),
                                       terminated.size(), system));
    const tep_event* const event = format.event_;
    if (event == nullptr || event->id <= 0 ||
        event->id > std::numeric_limits<std::uint16_t>::max()) {
        return fail(EPROTO, "not the format of a trace event");
    }
    return format;
}

std::uint16_t Format::id() const {
    return static_cast<std::uint16_t>(event_->id);
}

std::optional<Field> Format::find(const char* name) const {
    const tep_format_field* const found = tep_find_any_field(event_, name);
    constexpr int limit = std::numeric_limits<std::uint16_t>::max();
    if (found == nullptr || found->offset < 0 || found->size <= 0 || found->offset > limit ||
        found->size > limit - found->offset) {
        return std::nullopt;
    }
    Field field;
    field.offset = static_cast<std::uint16_t>(found->offset);
    field.size = static_cast<std::uint16_t>(found->size);
    field.is_signed = (found->flags & TEP_FIELD_IS_SIGNED) != 0;
    if ((found->flags & TEP_FIELD_IS_RELATIVE) != 0) {
        return std::nullopt; // no event of ours has any
    }
    if ((found->flags & TEP_FIELD_IS_DYNAMIC) != 0) {
        field.shape = Field::Shape::data_loc;
    } else if ((found->flags & TEP_FIELD_IS_ARRAY) != 0) {
        field.shape = Field::Shape::array;
    }
    return field;
}

Field Format::missing(const char* name) {
    if (missing_.empty()) {
        missing_ = name;
    }
    return {};
}

Field Format::number_if_any(const char* name) {
    const auto field = find(name);
    constexpr std::array<int, 4> sizes{1, 2, 4, 8};
    if (!field || field->shape != Field::Shape::number ||
        std::find(sizes.begin(), sizes.end(), int{field->size}) == sizes.end()) {
        return {};
    }
    return *field;
}

Field Format::number(const char* name) {
    const Field field = number_if_any(name);
    return field.exists() ? field : missing(name);
}

Field Format::text(const char* name) {
    const auto field = find(name);
    if (!field || field->shape == Field::Shape::number ||
        (field->shape == Field::Shape::data_loc && field->size != 4)) {
        return missing(name);
    }
    return *field;
}

Symbols Format::symbols(const char* name) const {
    for (const tep_print_arg* arg = event_->print_fmt.args; arg != nullptr; arg = arg->next) {
        if (arg->type != TEP_PRINT_SYMBOL) {
            continue;
        }
        const char* const field = field_of(arg->symbol.field);
        if (field == nullptr || std::string_view(field) != name) {
            continue;
        }
        std::vector<std::pair<std::uint64_t, std::string>> words;
        for (const auto* symbol = arg->symbol.symbols; symbol != nullptr; symbol = symbol->next) {
            if (const auto value = number_of(symbol->value)) {
                words.emplace_back(*value, symbol->str);
            }
        }
        return Symbols(std::move(words));
    }
    return {};
}

Result<void> Format::complete() const {
    if (!missing_.empty()) {
        return fail(EPROTO, "the format lacks the field " + missing_);
    }
    return {};
}

Result<PageShape> parse_header_page(std::string_view text) {
    const std::unique_ptr<tep_handle, decltype(&tep_free)> handle(quiet_handle(), tep_free);
    if (!handle) {
        return fail(ENOMEM, "cannot parse header_page");
    }
    std::string terminated(text);
    if (tep_parse_header_page(handle.get(), terminated.data(), terminated.size(), sizeof(long)) !=
        0) {
        return fail(EPROTO, "not the header of a trace page");
    }
    const int commit = tep_get_header_page_size(handle.get());
    const int page = tep_get_sub_buffer_size(handle.get());
    const int timestamp = tep_get_header_timestamp_size(handle.get());
    // The largest sub-buffer that buffer_subbuf_size_kb can ask for is far below that.
    constexpr int largest_page = 64 << 20;
    if (timestamp != 8 || (commit != 4 && commit != 8) || page <= timestamp + commit ||
        page > largest_page) {
        return fail(EPROTO, "not the header of a trace page");
    }
    return PageShape{.commit_size = static_cast<std::size_t>(commit),
                     .data_offset = static_cast<std::size_t>(timestamp + commit),
                     .page_size = static_cast<std::size_t>(page)};
}

} // namespace rseq::trace
