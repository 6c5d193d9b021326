// SPDX-License-Identifier: GPL-2.0-or-later
#include "trace/record.h"

#include <algorithm>
#include <cstring>

namespace rseq::trace {

namespace {

/// An unsigned number of this width at `from`, extended by its sign if it has one.
template <class Unsigned, class Signed>
std::uint64_t load(const std::byte* from, bool is_signed) {
    Unsigned value{};
    std::memcpy(&value, from, sizeof(value));
    if (is_signed) {
        return static_cast<std::uint64_t>(std::int64_t{static_cast<Signed>(value)});
    }
    return value;
}

} // namespace

std::uint64_t Record::raw_number(const Field& field) {
    if (std::size_t{field.offset} + field.size > bytes_.size()) {
        malformed_ = true;
        return 0;
    }
    const std::byte* const from = bytes_.data() + field.offset;
    switch (field.size) {
    case 1:
        return load<std::uint8_t, std::int8_t>(from, field.is_signed);
    case 2:
        return load<std::uint16_t, std::int16_t>(from, field.is_signed);
    case 4:
        return load<std::uint32_t, std::int32_t>(from, field.is_signed);
    case 8:
        return load<std::uint64_t, std::int64_t>(from, field.is_signed);
    default:
        malformed_ = true; // a field that does not exist
        return 0;
    }
}

std::string_view Record::text(const Field& field) {
    std::size_t offset = field.offset;
    std::size_t size = field.size;
    if (field.shape == Field::Shape::data_loc) {
        const auto location = number<std::uint32_t>(field);
        offset = location & 0xffffU;
        size = location >> 16U;
    }
    if (offset + size > bytes_.size()) {
        malformed_ = true;
        return {};
    }
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): characters are bytes
    const std::string_view whole(reinterpret_cast<const char*>(bytes_.data()) + offset, size);
    return whole.substr(0, whole.find('\0'));
}

} // namespace rseq::trace
