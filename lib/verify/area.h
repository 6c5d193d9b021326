// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace rseq::verify {

inline constexpr std::size_t rest_size = 228;

/// The memory that a thread registers with rseq(2): `struct rseq` of include/uapi/linux/rseq.h,
/// here because the headers of older distributions lack its newer fields. The kernel writes it
/// behind the compiler's back, so it is only ever touched as volatile.
struct Area {
    std::uint32_t cpu_id_start;
    std::uint32_t cpu_id;
    std::uint64_t rseq_cs;
    std::uint32_t flags;
    std::uint32_t node_id;
    std::uint32_t mm_cid;
    /// Fields of v2, and memory that nobody owns: enough to see a kernel that writes too far.
    std::uint8_t rest[rest_size]; // not std::array, whose operator[] is not for volatile objects
};
static_assert(offsetof(Area, rseq_cs) == 8 && offsetof(Area, flags) == 16);
static_assert(offsetof(Area, mm_cid) == 24 && offsetof(Area, rest) == 28 && sizeof(Area) == 256);

/// Bits of Area::flags that the kernel sets.
inline constexpr std::uint32_t slice_flag_available = 1U << 4;
inline constexpr std::uint32_t slice_flag_enabled = 1U << 5;

/// The fields that user space may only read.
enum class IdField : std::uint8_t { cpu_id_start, cpu_id, node_id, mm_cid };
inline constexpr std::array all_id_fields{IdField::cpu_id_start, IdField::cpu_id, IdField::node_id,
                                          IdField::mm_cid};

[[nodiscard]] constexpr const char* name_of(IdField field) {
    switch (field) {
    case IdField::cpu_id_start:
        return "cpu_id_start";
    case IdField::cpu_id:
        return "cpu_id";
    case IdField::node_id:
        return "node_id";
    case IdField::mm_cid:
        break;
    }
    return "mm_cid";
}

[[nodiscard]] inline volatile std::uint32_t& field_of(volatile Area& area, IdField field) {
    switch (field) {
    case IdField::cpu_id_start:
        return area.cpu_id_start;
    case IdField::cpu_id:
        return area.cpu_id;
    case IdField::node_id:
        return area.node_id;
    case IdField::mm_cid:
        break;
    }
    return area.mm_cid;
}

} // namespace rseq::verify
