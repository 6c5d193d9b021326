// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

/// What in a file tells of the C library in it. Each mark is something that the library itself has
/// linked in, found by looking at what its releases leave in programs: glibc 2.31, 2.36 and 2.41,
/// musl 1.2.3, Go 1.19.
namespace rseq::explain {

enum class LibcKind : std::uint8_t {
    unknown, ///< there may be one, and it was not recognised
    none,    ///< there is none: a Go program without C
    glibc,
    musl,
};

struct LibcMarks {
    // In libraries and programs.
    std::string banner;         ///< "Debian GLIBC 2.36-9+deb12u10", untrusted
    std::string banner_version; ///< "2.36"
    bool rseq_message = false;  ///< what glibc says when a thread cannot be registered
    bool musl_loader = false;   ///< what musl's loader says of itself
    bool tcmalloc = false;
    // In static programs only.
    bool tunables_variable = false; ///< GLIBC_TUNABLES
    unsigned tunables = 0;          ///< one bit for each that every glibc with tunables has
    bool rseq_tunable = false;      ///< glibc.pthread.rseq
    bool musl_messages = false;     ///< musl's texts of errors, in its order
    bool go = false;
    bool go_calls_c = false;
    // Of sections and symbols, in static programs only.
    bool glibc_section = false;
    bool glibc_symbol = false;
    unsigned musl_symbols = 0;  ///< one bit for each of two
    std::string symbol_version; ///< the text at __nptl_version
};

/// Looks at a part of the bytes of a file. A part has to overlap with the next one by
/// `mark_overlap`.
void look_at_text(std::string_view text, bool is_static, LibcMarks& marks);
inline constexpr std::size_t mark_overlap = 512;

/// At the name of a section, or of a symbol that is defined, of a static program.
void look_at_section(std::string_view name, LibcMarks& marks);
void look_at_symbol(std::string_view name, LibcMarks& marks);

/// What follows from the marks.
struct LibcFound {
    LibcKind kind = LibcKind::unknown;
    std::string version; ///< "2.36"; empty if the file does not tell
    /// Of glibc: whether it has the code that registers; nothing if the file does not tell.
    std::optional<bool> registers_rseq;
    /// What showed the kind ("its list of tunables"), and the version if that was another thing; if
    /// the kind is unknown, why.
    std::string seen_in;
    std::string registers_seen_in; ///< likewise of registers_rseq; empty if that is not known
};

/// How much of a file was looked at: what was not seen in all of it is not there.
struct LookedAt {
    bool all_text = false;
    bool all_symbols = false;
};

[[nodiscard]] LibcFound judge(const LibcMarks& marks, bool is_static, LookedAt looked_at);

/// The release in the text in which glibc describes itself ("GNU C Library (Debian GLIBC 2.36-9)
/// stable release version 2.36."); false if it is not there.
bool find_glibc_banner(std::string_view text, LibcMarks& marks);

/// Whether the text is a release number, such as "2.36", of at least `least` parts and `most`.
[[nodiscard]] bool is_release(std::string_view text, unsigned least, unsigned most);

} // namespace rseq::explain
