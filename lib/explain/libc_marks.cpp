// SPDX-License-Identifier: GPL-2.0-or-later
#include "explain/libc_marks.h"

#include "core/parse.h"

#include <algorithm>
#include <array>

namespace rseq::explain {

namespace {

using namespace std::string_view_literals;

constexpr std::size_t longest_banner = 128;

/// Of the list of tunables, which is in every static program since 2.26 (and may be left out of
/// glibc up to 2.36 when that is built). These three have been there from the beginning.
constexpr std::array old_tunables = {"glibc.malloc.arena_max"sv, "glibc.malloc.mmap_threshold"sv,
                                     "glibc.malloc.top_pad"sv};
constexpr unsigned all_old_tunables = (1U << old_tunables.size()) - 1U;
/// Since 2.35, and in those older ones into which distributions have put the registration.
constexpr auto rseq_tunable = "glibc.pthread.rseq"sv;

/// The beginning of src/errno/__strerror.h, which differs from every other library's; printf is
/// enough to have it in a program. Before 1.2.0 the text for 0 came last, so it is not part of it.
constexpr auto musl_messages = "Illegal byte sequence\0Domain error\0Result not representable\0"
                               "Not a tty\0Permission denied\0"sv;
constexpr std::array musl_symbols = {"__init_libc"sv, "__init_tls"sv};
constexpr unsigned all_musl_symbols = (1U << musl_symbols.size()) - 1U;

/// Calls `found` with what is before each `needle` and what follows it, until it returns false.
template <class Found>
void find_each(std::string_view text, std::string_view needle, Found found) {
    for (auto at = text.find(needle); at != std::string_view::npos;
         at = text.find(needle, at + needle.size())) {
        if (!found(text.substr(0, at), text.substr(at + needle.size()))) {
            return;
        }
    }
}

bool has(std::string_view text, std::string_view needle) {
    return text.find(needle) != std::string_view::npos;
}

/// The names are texts of their own, in a table or behind pointers.
void look_for_tunables(std::string_view text, LibcMarks& marks) {
    constexpr auto prefix = "glibc."sv;
    find_each(text, prefix, [&](std::string_view before, std::string_view rest) {
        if (!before.ends_with('\0')) {
            return true;
        }
        const auto is = [&](std::string_view name) {
            name.remove_prefix(prefix.size());
            return rest.starts_with(name) && rest.substr(name.size()).starts_with('\0');
        };
        for (std::size_t i = 0; i < old_tunables.size(); ++i) {
            marks.tunables |= is(old_tunables.at(i)) ? 1U << i : 0U;
        }
        marks.rseq_tunable = marks.rseq_tunable || is(rseq_tunable);
        return true;
    });
}

void look_for_static(std::string_view text, LibcMarks& marks) {
    look_for_tunables(text, marks);
    marks.tunables_variable = marks.tunables_variable || has(text, "\0GLIBC_TUNABLES\0"sv);
    marks.musl_messages = marks.musl_messages || has(text, musl_messages);
    // debug/buildinfo of Go's library describes the mark.
    marks.go = marks.go || has(text, "\xff Go buildinf:"sv);
    // The package that starts threads for C: its files in the table of functions, which cannot be
    // stripped, and the texts of its own C.
    find_each(text, "runtime/cgo"sv, [&](std::string_view, std::string_view rest) {
        marks.go_calls_c = marks.go_calls_c || rest.starts_with('/') || rest.starts_with(": ");
        return !marks.go_calls_c;
    });
}

bool has_tunables(const LibcMarks& marks) {
    return marks.tunables_variable && marks.tunables == all_old_tunables;
}

/// The strongest of the marks of glibc in words; empty if there is none.
std::string_view seen_of_glibc(const LibcMarks& marks, bool is_static) {
    if (!marks.banner_version.empty()) {
        return "its description of itself";
    }
    if (is_static && has_tunables(marks)) {
        return "its list of tunables";
    }
    if (marks.rseq_message) {
        return "its message for a failed registration";
    }
    if (is_static && marks.glibc_symbol) {
        return "its symbols";
    }
    return is_static && marks.glibc_section ? "its sections" : "";
}

std::string_view seen_of_musl(const LibcMarks& marks, bool is_static) {
    if (marks.musl_loader) {
        return "its loader's description of itself";
    }
    if (is_static && marks.musl_messages) {
        return "its texts of errors";
    }
    return is_static && marks.musl_symbols == all_musl_symbols ? "its symbols" : "";
}

LibcFound judge_glibc(const LibcMarks& marks, std::string_view seen, bool all_text) {
    LibcFound found{LibcKind::glibc, marks.banner_version, {}, std::string(seen), ""};
    if (found.version.empty() && !marks.symbol_version.empty()) {
        found.version = marks.symbol_version;
        found.seen_in += " and its symbol nptl_version";
    }
    const bool list = has_tunables(marks);
    if (list && marks.rseq_tunable) {
        found.registers_rseq = true;
        found.registers_seen_in = "its tunable glibc.pthread.rseq";
    } else if (marks.rseq_message) {
        found.registers_rseq = true;
        found.registers_seen_in = "its message for a failed registration";
    } else if (list && all_text) {
        found.registers_rseq = false;
        found.registers_seen_in = "its list of tunables, which lacks glibc.pthread.rseq";
    }
    return found;
}

std::string why_unknown(const LibcMarks& marks, bool is_static, LookedAt looked_at) {
    if (is_static && (!looked_at.all_text || !looked_at.all_symbols)) {
        return "only a part of the file was looked at";
    }
    if (is_static && marks.go) {
        return "a Go program with C in it, which shows nothing of its C library";
    }
    return is_static ? "neither symbols nor texts of glibc, musl or Go are in the file" : "";
}

} // namespace

bool is_release(std::string_view text, unsigned least, unsigned most) {
    unsigned parts = 0;
    while (parts < most && !text.empty()) {
        const bool last = text.find('.') == std::string_view::npos;
        if (!parse_number<std::uint16_t>(take_until(text, '.')) || (!last && text.empty())) {
            return false;
        }
        ++parts;
    }
    return text.empty() && parts >= least;
}

bool find_glibc_banner(std::string_view text, LibcMarks& marks) {
    constexpr std::string_view start = "GNU C Library (";
    constexpr std::string_view middle = "release version ";
    bool found = false;
    find_each(text, start, [&](std::string_view, std::string_view rest) {
        rest = rest.substr(0, 2 * longest_banner);
        rest = rest.substr(0, rest.find('\0'));
        const auto closed = rest.find(')');
        const auto release = rest.find(middle);
        // Without a parenthesis it is larger than any limit.
        if (closed > longest_banner || release == std::string_view::npos || release < closed) {
            return true;
        }
        std::string_view version = rest.substr(release + middle.size());
        const auto end = version.find_first_not_of("0123456789.");
        if (end == std::string_view::npos) {
            return true; // it may go on in the next part
        }
        version = version.substr(0, end);
        while (version.ends_with('.')) {
            version.remove_suffix(1);
        }
        if (!is_release(version, 2, 3)) {
            return true;
        }
        marks.banner = rest.substr(0, closed);
        marks.banner_version = version;
        found = true;
        return false;
    });
    return found;
}

void look_at_text(std::string_view text, bool is_static, LibcMarks& marks) {
    if (marks.banner_version.empty()) {
        find_glibc_banner(text, marks);
    }
    marks.rseq_message =
        marks.rseq_message || has(text, "Fatal glibc error: rseq registration failed");
    marks.musl_loader = marks.musl_loader || has(text, "musl libc (");
    marks.tcmalloc = marks.tcmalloc || has(text, "tcmalloc");
    if (is_static) {
        look_for_static(text, marks);
    }
}

void look_at_section(std::string_view name, LibcMarks& marks) {
    // What each file of glibc adds to, until 2.36 at least; 2.41 has none of them.
    constexpr std::array of_glibc = {"__libc_freeres_fn"sv, "__libc_atexit"sv,
                                     "__libc_subfreeres"sv, "__libc_IO_vtables"sv};
    marks.glibc_section =
        marks.glibc_section || std::find(of_glibc.begin(), of_glibc.end(), name) != of_glibc.end();
    // Before Go 1.13 there is no build information.
    marks.go = marks.go || name == ".note.go.buildid";
}

void look_at_symbol(std::string_view name, LibcMarks& marks) {
    // The locale "C". Other names that one would think of are in uClibc too.
    marks.glibc_symbol = marks.glibc_symbol || name == "_nl_C_locobj";
    for (std::size_t i = 0; i < musl_symbols.size(); ++i) {
        marks.musl_symbols |= name == musl_symbols.at(i) ? 1U << i : 0U;
    }
}

LibcFound judge(const LibcMarks& marks, bool is_static, LookedAt looked_at) {
    const std::string_view glibc = seen_of_glibc(marks, is_static);
    const std::string_view musl = seen_of_musl(marks, is_static);
    if (!glibc.empty() && !musl.empty()) {
        return {LibcKind::unknown, "", {}, "the file has marks of both glibc and musl", ""};
    }
    if (!glibc.empty()) {
        return judge_glibc(marks, glibc, looked_at.all_text);
    }
    if (!musl.empty()) {
        return {LibcKind::musl, "", {}, std::string(musl), ""};
    }
    if (is_static && looked_at.all_text && marks.go && !marks.go_calls_c) {
        return {LibcKind::none, "", {}, "Go's build information", ""};
    }
    return {LibcKind::unknown, "", {}, why_unknown(marks, is_static, looked_at), ""};
}

} // namespace rseq::explain
