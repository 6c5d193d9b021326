// SPDX-License-Identifier: GPL-2.0-or-later
#include "enforce/drop_in.h"

#include "core/escape.h"
#include "core/file.h"
#include "enforce/setting.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <utility>

namespace rseq::enforce {

namespace {

constexpr std::string_view mark = "# Written by rseq-compatd";
constexpr std::string_view folder_suffix = ".d";
constexpr std::size_t text_limit = 65536;
constexpr std::size_t drop_ins_at_most = 10000;
constexpr mode_t folder_mode = 0755;
constexpr mode_t file_mode = 0644;

/// `text` within double quotes of a unit file, in which % begins a specifier (systemd.syntax(7)).
std::string quoted(std::string_view text) {
    std::string result = "\"";
    for (const char c : text) {
        if (c == '"' || c == '\\' || c == '%') {
            result += c == '%' ? '%' : '\\';
        }
        result += c;
    }
    return result + "\"";
}

bool is_printable(std::string_view text) {
    return std::all_of(text.begin(), text.end(), [](char c) { return c >= ' ' && c <= '~'; });
}

/// The helper's argument for a setting: "mode=legacy".
std::string argument(const Setting& setting) {
    std::string line = to_line(setting);
    std::replace(line.begin(), line.end(), ' ', '=');
    return line;
}

struct CloseDir {
    void operator()(DIR* dir) const { ::closedir(dir); }
};

Result<UniqueFd> open_folder(int root_fd, const std::string& unit) {
    const std::string name = unit + std::string(folder_suffix);
    UniqueFd fd(::openat(root_fd, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!fd) {
        return fail_errno("cannot open the folder of drop-ins " + escape_untrusted(name));
    }
    return fd;
}

Result<std::string> read_drop_in(int folder_fd) {
    const UniqueFd fd(::openat(folder_fd, drop_in_name, O_PATH | O_NOFOLLOW | O_CLOEXEC));
    struct stat status {};
    if (!fd || ::fstat(fd.get(), &status) != 0) {
        return fail_errno(std::string("cannot open ") + drop_in_name);
    }
    // What is no file is not ours, and stays where it is.
    return S_ISREG(status.st_mode) ? read_file(folder_fd, drop_in_name, text_limit)
                                   : Result<std::string>();
}

} // namespace

Result<std::string> drop_in_text(const DropIn& drop_in, const policy::Rule& rule,
                                 std::string_view hold_program) {
    if (!is_printable(drop_in.tunables)) {
        return fail(EINVAL, "GLIBC_TUNABLES has characters that are not printable");
    }
    std::string text(mark);
    text += " for the rule " + escape_untrusted(rule.name) + ".\n# See " +
            escape_untrusted(rule.origin.file) +
            " - this file is replaced when the rule changes, and removed with it.\n";
    if (drop_in.empty()) {
        return text + "# Empty: the drop-in of the template is not for this unit.\n";
    }
    text += "[Service]\n";
    if (drop_in.hold != Policy()) {
        // The service is started even if the helper fails, or has been uninstalled.
        text += "ExecStartPre=-+" + std::string(hold_program);
        if (drop_in.hold.mode != PolicyMode()) {
            text += " " + argument(drop_in.hold.mode);
        }
        if (drop_in.hold.slice != PolicySlice()) {
            text += " " + argument(drop_in.hold.slice);
        }
        text += "\n";
    }
    if (drop_in.filter) {
        text += "SystemCallFilter=~rseq:ENOSYS\n";
    }
    if (!drop_in.tunables.empty()) {
        text += "Environment=" + quoted("GLIBC_TUNABLES=" + drop_in.tunables) + "\n";
    }
    return text;
}

bool is_ours(std::string_view text) {
    return text.starts_with(mark);
}

bool holds_cgroup(std::string_view text) {
    return is_ours(text) && text.find("\nExecStartPre=") != std::string_view::npos;
}

bool filters(std::string_view text) {
    return is_ours(text) && text.find("\nSystemCallFilter=") != std::string_view::npos;
}

Result<DropIns> read_drop_ins(int root_fd) {
    UniqueFd fd(::openat(root_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    const std::unique_ptr<DIR, CloseDir> dir(fd ? ::fdopendir(fd.get()) : nullptr);
    if (dir == nullptr) {
        return fail_errno("cannot list the drop-ins");
    }
    static_cast<void>(fd.release());
    DropIns drop_ins;
    while (const dirent* const entry = ::readdir(dir.get())) {
        const std::string_view name = entry->d_name;
        if (!name.ends_with(folder_suffix) || name.size() == folder_suffix.size()) {
            continue;
        }
        std::string unit(name.substr(0, name.size() - folder_suffix.size()));
        const auto folder = open_folder(root_fd, unit);
        auto text = folder ? read_drop_in(folder->get()) : fail(ENOENT, {});
        if (!text) {
            continue;
        }
        if (drop_ins.size() == drop_ins_at_most) {
            return fail(E2BIG, "there are too many drop-ins");
        }
        drop_ins.emplace(std::move(unit), std::move(*text));
    }
    return drop_ins;
}

Result<void> write_drop_in(int root_fd, const std::string& unit, std::string_view text) {
    const std::string name = unit + std::string(folder_suffix);
    const bool made = ::mkdirat(root_fd, name.c_str(), folder_mode) == 0;
    if (!made && errno != EEXIST) {
        return fail_errno("cannot make the folder of drop-ins " + escape_untrusted(name));
    }
    const auto folder = open_folder(root_fd, unit);
    if (!folder) {
        return tl::unexpected<Error>(folder.error());
    }
    if (made) {
        ::fchmod(folder->get(), folder_mode); // whatever the umask says
    }
    return replace_file(folder->get(), drop_in_name, text, file_mode);
}

Result<void> remove_drop_in(int root_fd, const std::string& unit) {
    const auto folder = open_folder(root_fd, unit);
    if (!folder) {
        return folder.error().code == ENOENT ? Result<void>()
                                             : tl::unexpected<Error>(folder.error());
    }
    if (::unlinkat(folder->get(), drop_in_name, 0) != 0 && errno != ENOENT) {
        return fail_errno("cannot remove the drop-in of " + escape_untrusted(unit));
    }
    // The folder stays if it is not empty.
    ::unlinkat(root_fd, (unit + std::string(folder_suffix)).c_str(), AT_REMOVEDIR);
    return {};
}

} // namespace rseq::enforce
