// SPDX-License-Identifier: GPL-2.0-or-later
#include "explain/libc_marks.h"
#include "fuzz.h"

#include <algorithm>
#include <string>

using namespace rseq::explain;

namespace {

constexpr LookedAt everything{true, true};

void check_found(std::string_view text, const LibcMarks& marks, const LibcFound& found) {
    const auto has = [&](std::string_view part) {
        return text.find(part) != std::string_view::npos;
    };
    require(found.version.empty() || is_release(found.version, 2, 3), "a version is a release");
    require(found.version.empty() || has("release version " + found.version), "it is in the text");
    require(marks.banner.empty() == marks.banner_version.empty() || marks.banner.empty(),
            "a package has a release");
    require(!found.registers_rseq || found.kind == LibcKind::glibc, "only glibc registers");
    require(found.registers_rseq.has_value() == !found.registers_seen_in.empty(),
            "what is known was seen somewhere");
    require(!found.seen_in.empty(), "it is said what was seen, or what was not");
    switch (found.kind) {
    case LibcKind::glibc:
        require(has("GNU C Library (") || has("glibc.malloc.arena_max") || has("Fatal glibc error"),
                "glibc left a mark");
        break;
    case LibcKind::musl:
        require(has("musl libc (") || has("Illegal byte sequence"), "musl left a mark");
        break;
    case LibcKind::none:
        require(has(" Go buildinf:") && !has("runtime/cgo/"), "Go left a mark, and C none");
        break;
    case LibcKind::unknown:
        break;
    }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text = text_of(data, size);
    LibcMarks whole;
    look_at_text(text, true, whole);
    const LibcFound found = judge(whole, true, everything);
    check_found(text, whole, found);

    LibcMarks dynamic;
    look_at_text(text, false, dynamic);
    require(judge(dynamic, false, everything).kind != LibcKind::none, "what is static is not seen");

    // In two parts: the first byte says where.
    const std::size_t cut = size == 0 ? 0 : size * data[0] / 256;
    LibcMarks parts;
    look_at_text(text.substr(0, cut), true, parts);
    look_at_text(text.substr(cut - std::min(cut, mark_overlap)), true, parts);
    const LibcFound in_parts = judge(parts, true, everything);
    require(in_parts.kind == found.kind && in_parts.registers_rseq == found.registers_rseq &&
                in_parts.seen_in == found.seen_in && parts.tcmalloc == whole.tcmalloc,
            "it does not matter where a part ends");
    return 0;
}
