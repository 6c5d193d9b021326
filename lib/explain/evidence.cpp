// SPDX-License-Identifier: GPL-2.0-or-later
#include "explain/evidence.h"

#include "core/file.h"
#include "proc/stat.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string_view>

namespace rseq::explain {

namespace {

// The kernel's own limits are lower, or it is no process that one would explain.
constexpr std::size_t auxv_limit = 4096;
constexpr std::size_t environ_limit = 8UL << 20;
constexpr std::size_t maps_limit = 16UL << 20;
constexpr std::size_t stat_limit = 4096;
/// Files of one process that are looked into.
constexpr std::size_t most_files = 64;

std::string_view file_name(std::string_view path) {
    return path.substr(path.rfind('/') + 1);
}

bool is_libc_name(std::string_view name) {
    return name.starts_with("libc.so") || name.starts_with("libc-2.") ||
           name.starts_with("ld-musl-") || name.starts_with("libc.musl-");
}

bool is_glibc_loader_name(std::string_view name) {
    return name.starts_with("ld-linux") || name.starts_with("ld64.so") ||
           name.starts_with("ld-2.") || name.starts_with("ld.so");
}

/// Opens what was found with O_PATH if it is a regular file, and that with the inode number where
/// one is given. Not before that is known: to open a device can do something.
Result<UniqueFd> open_found(const UniqueFd& found, const std::string& path,
                            std::optional<std::uint64_t> inode) {
    struct stat status {};
    if (!found || ::fstat(found.get(), &status) != 0) {
        return fail_errno("cannot open " + path);
    }
    if (!S_ISREG(status.st_mode)) {
        return fail(EINVAL, path + " is no file");
    }
    if (inode && status.st_ino != *inode) {
        return fail(ESTALE, path + " is another file by now");
    }
    const std::string link = fmt::format("/proc/self/fd/{}", found.get());
    UniqueFd fd(::open(link.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));
    if (!fd) {
        return fail_errno("cannot open " + path);
    }
    return fd;
}

/// The file behind a mapping: by the mapping itself where that is allowed, otherwise by its path
/// below the root of the process, as long as it is the same file still.
Result<UniqueFd> open_mapped(int dir, const MappedFile& file) {
    constexpr int flags = O_PATH | O_CLOEXEC;
    const std::string link = fmt::format("map_files/{:x}-{:x}", file.start, file.end);
    UniqueFd found(::openat(dir, link.c_str(), flags));
    if (found) {
        return open_found(found, file.path, std::nullopt);
    }
    if (file.deleted) {
        return fail(ENOENT, file.path + " is deleted");
    }
    const UniqueFd root(::openat(dir, "root", O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (!root) {
        return fail_errno("cannot open the root of the process");
    }
    open_how how{};
    how.flags = static_cast<std::uint64_t>(flags);
    how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
    found.reset(
        static_cast<int>(::syscall(SYS_openat2, root.get(), file.path.c_str(), &how, sizeof(how))));
    return open_found(found, file.path, file.inode);
}

/// What the files of a process are to it.
struct Files {
    Result<ElfFacts> program = fail(ENOENT, "the program is not among its files");
    std::string program_path;
    std::optional<MappedFile> program_file;
    std::optional<MappedFile> libc_file;
    Result<ElfFacts> libc = fail(ENOENT, "no C library is mapped");
    std::optional<MappedFile> loader_file;
    Result<ElfFacts> loader = fail(ENOENT, "glibc's loader is not mapped");
    std::vector<std::string> tcmalloc;
    std::optional<Error> unread; ///< a file that could not be looked into
};

std::string read_link(int dir, const char* name) {
    std::string path(4096, '\0');
    const ssize_t length = ::readlinkat(dir, name, path.data(), path.size());
    path.resize(length < 0 ? 0 : static_cast<std::size_t>(length));
    constexpr std::string_view deleted = " (deleted)";
    if (path.ends_with(deleted)) {
        path.resize(path.size() - deleted.size());
    }
    return path;
}

Result<ElfFacts> look_into(int dir, const MappedFile& file) {
    auto fd = open_mapped(dir, file);
    if (!fd) {
        return tl::unexpected<Error>(std::move(fd.error()));
    }
    return read_elf(fd->get()).map_error([&](const Error& error) {
        return Error{error.code, file.path + ": " + error.context};
    });
}

Files look_at_files(int dir, const std::vector<MappedFile>& mapped) {
    Files files;
    files.program_path = read_link(dir, "exe");
    std::size_t looked_at = 0;
    for (const MappedFile& file : mapped) {
        const std::string_view name = file_name(file.path);
        const bool is_program = file.path == files.program_path && !files.program;
        const bool is_libc = is_libc_name(name) && !files.libc;
        const bool is_loader = is_glibc_loader_name(name) && !files.loader;
        const bool is_library = name.find(".so") != std::string_view::npos;
        if ((!is_program && !is_library) || looked_at == most_files) {
            continue; // data
        }
        ++looked_at;
        auto facts = look_into(dir, file);
        if (!facts) {
            files.unread = facts.error();
        } else if (facts->tcmalloc && facts->critical_sections) {
            files.tcmalloc.push_back(file.path);
        }
        if (is_program) {
            files.program_file = file;
            files.program = std::move(facts);
        } else if (is_libc) {
            files.libc_file = file;
            files.libc = std::move(facts);
        } else if (is_loader) {
            files.loader_file = file;
            files.loader = std::move(facts);
        }
    }
    return files;
}

Libc make_libc(const ElfFacts& facts, const std::string& path, bool is_static) {
    const LibcFound& found = facts.libc;
    return {found.kind,           is_static, found.version, facts.libc_banner,
            found.registers_rseq, path,      found.seen_in, found.registers_seen_in};
}

Result<Libc> find_libc(const Files& files) {
    if (files.libc_file) {
        return files.libc.map(
            [&](const ElfFacts& facts) { return make_libc(facts, files.libc_file->path, false); });
    }
    // A program that was started by naming musl's loader is that loader.
    if (files.program && (!files.program->dynamic || files.program->libc.kind == LibcKind::musl)) {
        return make_libc(*files.program, files.program_path, !files.program->dynamic);
    }
    // The loader registers before it knows of any library. A Go program may need it and no library.
    if (files.program && files.loader && files.loader->libc.kind == LibcKind::glibc) {
        return make_libc(*files.loader, files.loader_file->path, false);
    }
    return files.program.and_then([&](const ElfFacts&) -> Result<Libc> {
        return fail(0, "it is not among the files that are mapped");
    });
}

/// glibc's word in the memory of the process, where its file says that it is.
Result<std::uint32_t> read_glibc_size(int dir, const Files& files) {
    const auto& [file, facts] = files.loader_file ? std::tie(files.loader_file, files.loader)
                                                  : std::tie(files.program_file, files.program);
    if (!facts) {
        return tl::unexpected<Error>(facts.error());
    }
    if (!facts->rseq_size_at || file->offset != 0) {
        return fail(0, "there is no symbol __rseq_size in " + file->path);
    }
    const UniqueFd memory(::openat(dir, "mem", O_RDONLY | O_CLOEXEC));
    std::uint32_t size = 0;
    if (!memory || ::pread(memory.get(), &size, sizeof(size),
                           static_cast<off_t>(file->start + *facts->rseq_size_at)) !=
                       static_cast<ssize_t>(sizeof(size))) {
        return fail_errno("cannot read the memory of the process");
    }
    constexpr std::uint32_t largest = 4096;
    if (size > largest) {
        return fail(EPROTO, "__rseq_size makes no sense");
    }
    return size;
}

bool is_same(int dir, const ProcessKey& key) {
    const auto text = read_file(dir, "stat", stat_limit);
    const auto stat = text ? proc::parse_stat(*text) : fail(ESRCH, "");
    return stat && stat->start_ticks == key.start_ticks;
}

} // namespace

Result<void> read_process(int proc, const ProcessKey& key, Findings& evidence) {
    const std::string name = std::to_string(key.pid);
    const UniqueFd dir(::openat(proc, name.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (!dir || !is_same(dir.get(), key)) {
        return fail(ESRCH, "process " + name);
    }
    evidence.auxv = read_file(dir.get(), "auxv", auxv_limit).and_then([](const std::string& text) {
        return text.empty() ? fail(ESRCH, "auxv is empty") : parse_auxv(text);
    });
    evidence.tunable = read_file(dir.get(), "environ", environ_limit).map(rseq_tunable);
    evidence.seccomp = read_file(dir.get(), "status", status_file_limit).and_then(parse_seccomp);
    const auto mapped = read_file(dir.get(), "maps", maps_limit).and_then(parse_maps);
    if (!mapped) {
        evidence.libc = tl::unexpected<Error>(mapped.error());
        evidence.tcmalloc = tl::unexpected<Error>(mapped.error());
        evidence.glibc_size = tl::unexpected<Error>(mapped.error());
    } else {
        Files files = look_at_files(dir.get(), *mapped);
        evidence.libc = find_libc(files);
        evidence.glibc_size = evidence.libc && evidence.libc->kind == LibcKind::glibc
                                  ? read_glibc_size(dir.get(), files)
                                  : fail(0, "there is no glibc");
        evidence.tcmalloc = std::move(files.tcmalloc);
        if (files.unread && evidence.tcmalloc->empty()) {
            evidence.tcmalloc = tl::unexpected<Error>(std::move(*files.unread));
        }
    }
    if (!is_same(dir.get(), key)) {
        return fail(ESRCH, "process " + name);
    }
    return {};
}

} // namespace rseq::explain
