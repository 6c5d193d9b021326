// SPDX-License-Identifier: GPL-2.0-or-later
#include "config/files.h"
#include "config/load.h"
#include "config/write.h"
#include "core/file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

namespace rseq::config {

namespace {

constexpr const char* folder = "rseq-compatd.d";
constexpr const char* permanent_name = "60-slice-length.yaml";
constexpr const char* runtime_name = "61-slice-length-until-boot.yaml";
constexpr mode_t file_mode = 0644;

std::string text_for(std::uint32_t length_ns) {
    return "# Written by `rseqctl slice set-length`. It may be edited, or removed: the length then "
           "stays\n"
           "# until the next boot. rseq-compat.yaml(5) explains it.\n"
           "version: 1\n"
           "slice:\n"
           "  length_ns: " +
           std::to_string(length_ns) + "\n";
}

/// Fails with EEXIST if a file after ours, other than one that goes, sets the length.
Result<void> check_later(const std::string& root, const std::string& name,
                         const std::string& goes) {
    Diagnostics diagnostics;
    Reader reader(diagnostics);
    for (const std::string& path : find_fragments(root, folder, diagnostics)) {
        if (file_name(path) <= name || path == goes) {
            continue;
        }
        const auto text = reader.read(path);
        const auto settings = text ? parse_settings(path, *text) : Loaded<Settings>(Settings());
        if (settings && settings->slice_length_ns) {
            return fail(EEXIST, path + " is read later and sets the length of slices");
        }
    }
    return {};
}

/// Fails with EEXIST if the file has something that writing it anew would lose.
Result<void> check_ours(const std::string& path) {
    const auto text = read_file(AT_FDCWD, path.c_str(), max_file_bytes);
    if (!text && text.error().code == ENOENT) {
        return {};
    }
    const auto settings = text ? parse_settings(path, *text) : Loaded<Settings>(Settings());
    if (!settings || !settings->slice_length_ns ||
        *settings != Settings{.slice_length_ns = settings->slice_length_ns}) {
        return fail(EEXIST, path + " has been edited and has other settings: change it with an "
                                   "editor");
    }
    return {};
}

Result<void> write(const std::string& where, const std::string& name, const std::string& text) {
    auto done = make_folder(where)
                    .and_then([&] { return open_directory(where); })
                    .and_then([&](const UniqueFd& dir) {
                        return replace_file(dir.get(), name, text, file_mode);
                    });
    return done ? Result<void>() : fail(done.error().code, done.error().context + " in " + where);
}

Result<std::string> try_set(const std::string& root, std::uint32_t length_ns, Lifetime lifetime,
                            const std::string& kernel_file) {
    const auto before = read_slice_length(kernel_file);
    if (!before) {
        return before.error().code == ENOENT
                   ? fail(ENODEV, "the kernel has no time slice extensions, or debugfs is not "
                                  "mounted: there is no " +
                                      kernel_file)
                   : tl::unexpected<Error>(before.error());
    }
    const bool is_permanent = lifetime == Lifetime::permanent;
    const std::string name = is_permanent ? permanent_name : runtime_name;
    const std::string where = folder_for(root, lifetime, folder);
    const std::string path = where + "/" + name;
    const std::string runtime_path =
        folder_for(root, Lifetime::runtime, folder) + "/" + runtime_name;
    if (auto shown = check_not_hidden(root, lifetime, folder, name); !shown) {
        return tl::unexpected<Error>(std::move(shown.error()));
    }
    if (const auto loaded = load(root); !loaded) {
        return fail(EINVAL, "not set, because there are errors in the configuration:\n" +
                                text_of(loaded.error()));
    }
    auto done = check_ours(path)
                    .and_then([&] { return check_later(root, name, runtime_path); })
                    .and_then([&] { return write_slice_length(length_ns, kernel_file); });
    if (!done) {
        return tl::unexpected<Error>(std::move(done.error()));
    }
    done = write(where, name, text_for(length_ns));
    if (!done) {
        static_cast<void>(write_slice_length(*before, kernel_file));
        return tl::unexpected<Error>(std::move(done.error()));
    }
    if (is_permanent && ::unlink(runtime_path.c_str()) != 0 && errno != ENOENT) {
        return fail_errno("cannot remove " + runtime_path + ", which is read later");
    }
    return path;
}

} // namespace

Result<std::string> set_slice_length(const std::string& root, std::uint32_t length_ns,
                                     Lifetime lifetime, const std::string& kernel_file) {
    auto done = try_set(root, length_ns, lifetime, kernel_file);
    return done ? std::move(done) : fail(done.error().code, text_of(done.error()));
}

} // namespace rseq::config
