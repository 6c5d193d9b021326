// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace rseq::trace {

/// Where a record has one of its fields, in bytes, as the event's `format` file says.
struct Field {
    enum class Shape : std::uint8_t {
        number,   ///< in the byte order of this machine, 1, 2, 4 or 8 bytes
        array,    ///< characters up to a NUL or to the end of the field
        data_loc, ///< 32 bits: offset of the characters in the record, and their count << 16
    };
    std::uint16_t offset = 0;
    std::uint16_t size = 0; ///< 0: this kernel does not have the field
    bool is_signed = false;
    Shape shape = Shape::number;

    [[nodiscard]] bool exists() const { return size != 0; }
};

/// The bytes of one record. Nothing outside of them is touched, whatever they say: a field that is
/// not within them reads as 0 or empty, and makes the record malformed.
class Record {
public:
    explicit Record(std::span<const std::byte> bytes) : bytes_(bytes) {}

    /// The value of a number; what does not fit T is cut off like a C cast does. Narrow signed
    /// fields are extended.
    template <class T>
    [[nodiscard]] T number(const Field& field) {
        return static_cast<T>(raw_number(field));
    }

    /// The characters of a text without its NUL: a view into the record.
    [[nodiscard]] std::string_view text(const Field& field);

    /// Whether any field that was asked for was not within the record.
    [[nodiscard]] bool malformed() const { return malformed_; }

private:
    std::uint64_t raw_number(const Field& field);

    std::span<const std::byte> bytes_;
    bool malformed_ = false;
};

} // namespace rseq::trace
