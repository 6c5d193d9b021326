// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include "config/document.h"
#include "config/report.h"

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace rseq::config {

/// One key of a mapping and its value.
struct Field {
    std::string_view key;
    Position at; ///< of the key
    const Value* value;
};

/// The keys of a mapping, each of them known and there once; what is not so has been reported.
class Fields {
public:
    /// A node that is no mapping is reported as `what` and has no fields.
    Fields(const Value& node, std::string_view what, std::span<const std::string_view> known,
           Report& report);

    /// Nothing if the key is absent.
    [[nodiscard]] const Field* find(std::string_view key) const;
    [[nodiscard]] bool has(std::string_view key) const { return find(key) != nullptr; }
    /// True if nothing was reported: what is absent really is.
    [[nodiscard]] bool sound() const { return sound_; }
    [[nodiscard]] bool empty() const { return fields_.empty(); }

private:
    void add(const Value& key, const Value& value, std::span<const std::string_view> known,
             Report& report);

    std::vector<Field> fields_;
    bool sound_ = true;
};

/// The value of a field as what it has to be; nothing, and a report, if it is anything else.
[[nodiscard]] std::optional<std::string> read_text(const Field& field, Report& report);
[[nodiscard]] std::optional<std::uint64_t> read_number(const Field& field, std::uint64_t least,
                                                       std::uint64_t most, Report& report);
/// The index of the word.
[[nodiscard]] std::optional<std::size_t>
read_word(const Field& field, std::span<const std::string_view> words, Report& report);
[[nodiscard]] const std::vector<Value>* read_sequence(const Field& field, Report& report);

/// The fields of a whole file, which has `version: 1`. Nothing if it has not, or is no mapping at
/// all: that has been reported then. Of a version that is not known nothing else is reported.
[[nodiscard]] std::optional<Fields> read_file(const Value& document, std::string_view what,
                                              std::span<const std::string_view> known,
                                              Report& report);

} // namespace rseq::config
