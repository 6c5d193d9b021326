// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include "core/result.h"
#include "trace/record.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

struct tep_event;
struct tep_handle;

namespace rseq::trace {

/// What the numbers of an enumeration are called: the pairs of a `__print_symbolic()` in a format.
class Symbols {
public:
    Symbols() = default;
    explicit Symbols(std::vector<std::pair<std::uint64_t, std::string>> words)
        : words_(std::move(words)) {}

    /// The word, or the number in decimal where the kernel has none for it.
    [[nodiscard]] std::string word(std::uint64_t value) const;

private:
    std::vector<std::pair<std::uint64_t, std::string>> words_;
};

/// One parsed `format` file (Documentation/trace/events.rst), to look up fields by their names. A
/// field that is missing or of an unexpected shape is remembered as an error, so that a list of
/// them can be asked for and checked once.
class Format {
public:
    /// Fails with EPROTO if libtraceevent cannot make anything of the text.
    static Result<Format> parse(std::string_view text, const char* system);

    Format(Format&&) noexcept = default;
    Format& operator=(Format&&) noexcept = default;
    Format(const Format&) = delete;
    Format& operator=(const Format&) = delete;
    ~Format();

    /// The number that records of this type begin with (`common_type`).
    [[nodiscard]] std::uint16_t id() const;

    Field number(const char* name);
    /// The same, and no error if there is none.
    Field number_if_any(const char* name);
    /// A string, in the record or elsewhere.
    Field text(const char* name);
    /// The words for the values of a field; none if the format has none.
    [[nodiscard]] Symbols symbols(const char* name) const;

    /// EPROTO, with the first field that could not be found.
    [[nodiscard]] Result<void> complete() const;

private:
    struct FreeHandle {
        void operator()(tep_handle* handle) const noexcept;
    };

    Format() = default;
    std::optional<Field> find(const char* name) const;
    Field missing(const char* name);

    std::unique_ptr<tep_handle, FreeHandle> handle_;
    tep_event* event_ = nullptr; ///< belongs to the handle
    std::string missing_;
};

/// The shape of a page of the ring buffer, from `header_page`.
struct PageShape {
    std::size_t commit_size = 0; ///< bytes of the `commit` word: the kernel's long, 4 or 8
    std::size_t data_offset = 0; ///< where the entries begin
    std::size_t page_size = 0;   ///< of the whole
};

/// Fails with EPROTO unless the text makes sense.
Result<PageShape> parse_header_page(std::string_view text);

} // namespace rseq::trace
