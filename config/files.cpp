// SPDX-License-Identifier: GPL-2.0-or-later
#include "config/files.h"

#include "config/load.h"
#include "config/report.h"
#include "core/file.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <filesystem>
#include <map>
#include <memory>
#include <string_view>
#include <system_error>
#include <utility>

namespace rseq::config {

namespace {

/// The strongest first.
constexpr std::array<std::string_view, 3> folders{"/etc/rseq-compat", "/run/rseq-compat",
                                                  "/usr/lib/rseq-compat"};

constexpr mode_t folder_mode = 0755;

std::string path_in(const std::string& root, std::string_view folder, const std::string& name) {
    std::string path = root;
    path += folder;
    path += '/';
    return path += name;
}

void report(Diagnostics& diagnostics, const std::string& file, std::string message,
            std::string hint = {}) {
    add_diagnostic(diagnostics, {file, 0, 0, std::move(message), std::move(hint)});
}

std::string cannot(const char* what, int code) {
    return std::string("cannot ") + what + ": " + std::generic_category().message(code);
}

struct DirCloser {
    void operator()(DIR* dir) const { ::closedir(dir); }
};

/// By name; the first folder that has a name keeps it.
using Fragments = std::map<std::string, std::string>;

void list_folder(const std::string& path, Fragments& fragments, Diagnostics& diagnostics) {
    const std::unique_ptr<DIR, DirCloser> dir(::opendir(path.c_str()));
    if (!dir) {
        if (errno != ENOENT) {
            report(diagnostics, path, cannot("read the folder", errno));
        }
        return;
    }
    for (;;) {
        errno = 0;
        const dirent* const entry = ::readdir(dir.get());
        if (entry == nullptr) {
            if (errno != 0) {
                report(diagnostics, path, cannot("read the folder", errno));
            }
            return;
        }
        const std::string name = static_cast<const char*>(entry->d_name);
        std::string file = path;
        file += '/';
        file += name;
        if (name.starts_with('.')) {
            continue;
        }
        if (name.ends_with(".yml")) {
            report(diagnostics, file, "the name must end in .yaml for the file to be read",
                   "rename it");
        } else if (name.ends_with(".yaml")) {
            fragments.emplace(name, file);
        }
        if (fragments.size() > max_files) {
            report(diagnostics, path,
                   "there are more than " + std::to_string(max_files) + " files");
            return;
        }
    }
}

bool is_null_device(const struct stat& status) {
    return S_ISCHR(status.st_mode) && status.st_rdev == ::makedev(1, 3);
}

} // namespace

std::string folder_for(const std::string& root, Lifetime lifetime, const std::string& name) {
    return path_in(root, folders.at(lifetime == Lifetime::permanent ? 0 : 1), name);
}

std::string file_name(const std::string& path) {
    return path.substr(path.rfind('/') + 1);
}

Result<void> check_not_hidden(const std::string& root, Lifetime lifetime, const std::string& folder,
                              const std::string& name) {
    const std::string hider = folder_for(root, Lifetime::permanent, folder) + "/" + name;
    if (lifetime == Lifetime::runtime && ::access(hider.c_str(), F_OK) == 0) {
        return fail(EEXIST, hider + " would hide what is set until the next boot");
    }
    return {};
}

Result<void> make_folder(const std::string& path) {
    std::filesystem::path folder;
    for (const std::filesystem::path& name : std::filesystem::path(path)) {
        folder /= name;
        std::error_code error;
        const bool made = std::filesystem::create_directory(folder, error);
        if (error) {
            return fail(error.value(), "cannot make the folder " + path);
        }
        if (!made) {
            continue;
        }
        const auto fd = open_directory(folder);
        if (!fd) {
            return tl::unexpected<Error>(fd.error());
        }
        ::fchmod(fd->get(), folder_mode); // whatever the umask says: everybody may read rules
    }
    return {};
}

std::optional<std::string> find_file(const std::string& root, const std::string& name,
                                     Diagnostics& diagnostics) {
    for (const std::string_view folder : folders) {
        std::string path = path_in(root, folder, name);
        struct stat status {};
        // A link to nowhere is there too: it is reported when it is read.
        if (::lstat(path.c_str(), &status) == 0) {
            return path;
        }
        if (errno != ENOENT) {
            report(diagnostics, path, cannot("look for the file", errno));
        }
    }
    return std::nullopt;
}

std::vector<std::string> find_fragments(const std::string& root, const std::string& folder,
                                        Diagnostics& diagnostics) {
    Fragments fragments;
    for (const std::string_view above : folders) {
        list_folder(path_in(root, above, folder), fragments, diagnostics);
    }
    std::vector<std::string> paths;
    paths.reserve(fragments.size());
    for (auto& [name, path] : fragments) {
        paths.push_back(std::move(path));
    }
    return paths;
}

std::optional<std::string> Reader::read(const std::string& path) {
    // Looked at before it is opened: to open a device can do something.
    struct stat status {};
    if (::stat(path.c_str(), &status) != 0) {
        report(diagnostics_, path, cannot("open the file", errno));
        return std::nullopt;
    }
    if (is_null_device(status)) {
        return std::string();
    }
    if (!S_ISREG(status.st_mode)) {
        report(diagnostics_, path, "not a regular file");
        return std::nullopt;
    }
    auto text = read_file(AT_FDCWD, path.c_str(), max_file_bytes);
    if (!text) {
        const bool too_large = text.error().code == EFBIG;
        report(diagnostics_, path,
               too_large ? "larger than " + std::to_string(max_file_bytes / 1024) + " KiB"
                         : cannot("read the file", text.error().code),
               too_large ? "split the file" : "");
        return std::nullopt;
    }
    total_ += text->size();
    if (total_ > max_total_bytes) {
        report(diagnostics_, path,
               "with the files before it more than " + std::to_string(max_total_bytes / 1024) +
                   " KiB");
        return std::nullopt;
    }
    return std::move(*text);
}

} // namespace rseq::config
