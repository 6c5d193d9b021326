// SPDX-License-Identifier: GPL-2.0-or-later
#include "enforce/cgroup_tree.h"

#include "core/escape.h"
#include "core/file.h"
#include "core/parse.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

namespace rseq::enforce {

namespace {

constexpr const char* file_name = "cgroup.rseq";
constexpr const char* members_name = "cgroup.procs";
/// More than the file ever has.
constexpr std::size_t file_limit = 4096;

/// A file of the cgroup relative to the root's directory; empty if the path is refused.
std::string file_of(std::string_view path, const std::string& name = file_name) {
    if (!path.starts_with('/') || !is_plain_path(path)) {
        return {};
    }
    const std::string directory(path.substr(1));
    return directory.empty() ? name : directory + "/" + name;
}

std::string shown(const std::string& path) {
    return escape_untrusted(path);
}

struct CloseDir {
    void operator()(DIR* dir) const { ::closedir(dir); }
};
using Dir = std::unique_ptr<DIR, CloseDir>;

Dir open_dir(int parent_fd, const char* name) {
    UniqueFd fd(::openat(parent_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    Dir dir(fd ? ::fdopendir(fd.get()) : nullptr);
    if (dir != nullptr) {
        static_cast<void>(fd.release());
    }
    return dir;
}

class Walk {
public:
    Walk(const std::function<void(const CgroupVisit&)>& visit, const WalkLimits& limits)
        : visit_(visit), limits_(limits), left_(limits.cgroups) {}

    Walked walk(DIR* root, std::uint64_t id) {
        descend(root, id, 0);
        // However many there are of users, all others have been visited by now.
        whole_ = &walked_.whole_of_users;
        left_ = limits_.of_users;
        for (const UserManager& manager : std::exchange(user_managers_, {})) {
            if (const Dir dir = open_dir(::dirfd(root), manager.path.c_str() + 1)) {
                path_ = manager.path;
                list(dir.get(), manager.depth);
            } else {
                note_left_out();
            }
        }
        return walked_;
    }

private:
    struct UserManager {
        std::string path;
        std::size_t depth;
    };

    /// Visits the directory at path_ and all below it that is not of users, if it is not itself.
    void descend(DIR* dir, std::uint64_t id, std::size_t depth) {
        --left_;
        visit_({path_.empty() ? root_path_ : path_, id, ::dirfd(dir)});
        if (!is_of_users(path_) && is_of_users(path_ + "/")) {
            user_managers_.push_back({path_, depth});
        } else {
            list(dir, depth);
        }
    }

    /// Visits all below the directory at path_.
    void list(DIR* dir, std::size_t depth) {
        while (const dirent* const entry = ::readdir(dir)) {
            const std::string_view name = entry->d_name;
            if (entry->d_type != DT_DIR || name == "." || name == "..") {
                continue;
            }
            if (depth == limits_.depth || left_ == 0) {
                *whole_ = false;
                return;
            }
            if (const Dir below = open_dir(::dirfd(dir), entry->d_name)) {
                const std::size_t length = path_.size();
                path_ += '/';
                path_ += name;
                descend(below.get(), entry->d_ino, depth + 1);
                path_.resize(length);
            } else {
                note_left_out();
            }
        }
    }

    /// After a directory could not be opened.
    void note_left_out() { *whole_ = *whole_ && (errno == ENOENT || errno == ENODEV); }

    const std::function<void(const CgroupVisit&)>& visit_;
    const WalkLimits& limits_;
    const std::string root_path_ = "/";
    std::string path_;
    std::size_t left_; ///< how many more can be visited
    Walked walked_;
    bool* whole_ = &walked_.whole; ///< the part of it that is under way
    std::vector<UserManager> user_managers_;
};

} // namespace

bool is_of_users(std::string_view path) {
    // /user.slice/user-UID.slice/user@UID.service; what is beside it is made by systemd.
    if (!path.starts_with("/user.slice/")) {
        return false;
    }
    const std::size_t manager = path.find("/user@");
    return manager != std::string_view::npos &&
           path.find('/', manager + 1) != std::string_view::npos;
}

bool is_plain_path(std::string_view path) {
    for (std::string_view rest = path.substr(1); !rest.empty();) {
        const std::string_view component = take_until(rest, '/');
        if (component.empty() || component == "." || component == "..") {
            return false;
        }
    }
    return true;
}

Result<CgroupTree> CgroupTree::mounted() {
    for (const char* const path : {"/sys/fs/cgroup", "/sys/fs/cgroup/unified"}) {
        struct statfs what {};
        if (::statfs(path, &what) == 0 && what.f_type == CGROUP2_SUPER_MAGIC) {
            auto root = open_directory(path);
            if (!root) {
                return tl::unexpected<Error>(std::move(root.error()));
            }
            return CgroupTree(std::move(*root));
        }
    }
    return fail(ENOTSUP, "no cgroup v2 hierarchy is mounted at /sys/fs/cgroup");
}

bool CgroupTree::has_policies() const {
    return ::faccessat(root_.get(), file_name, F_OK, 0) == 0;
}

Result<Walked> CgroupTree::walk(const std::function<void(const CgroupVisit&)>& visit,
                                const WalkLimits& limits) const {
    const Dir root = open_dir(root_.get(), ".");
    struct stat status {};
    if (root == nullptr || ::fstat(::dirfd(root.get()), &status) != 0) {
        return fail_errno("cannot list the cgroups");
    }
    return Walk(visit, limits).walk(root.get(), status.st_ino);
}

bool CgroupTree::may_have(const std::string& path, std::uint64_t id) const {
    struct stat status {};
    const std::string name = path == "/" ? "." : path.substr(1);
    if (::fstatat(root_.get(), name.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0) {
        return status.st_ino == id;
    }
    return errno != ENOENT && errno != ENODEV;
}

Result<Policy> CgroupTree::policy(int dir_fd) {
    const auto text = read_file(dir_fd, file_name, file_limit);
    if (!text) {
        return tl::unexpected<Error>(text.error());
    }
    return parse_cgroup_rseq(*text);
}

Result<Policy> CgroupTree::policy(const std::string& path) const {
    const std::string file = file_of(path);
    if (file.empty()) {
        return fail(EINVAL, "not the path of a cgroup: " + shown(path));
    }
    const auto text = read_file(root_.get(), file.c_str(), file_limit);
    if (!text) {
        return fail(text.error().code, "cannot read cgroup.rseq of " + shown(path));
    }
    auto policy = parse_cgroup_rseq(*text);
    if (!policy) {
        return fail(policy.error().code, "cannot understand cgroup.rseq of " + shown(path));
    }
    return policy;
}

Result<void> CgroupTree::write(const std::string& path, const Setting& setting) const {
    const std::string file = file_of(path);
    if (file.empty()) {
        return fail(EINVAL, "not the path of a cgroup: " + shown(path));
    }
    const UniqueFd fd(::openat(root_.get(), file.c_str(), O_WRONLY | O_NOFOLLOW | O_CLOEXEC));
    const std::string line = to_line(setting) + "\n";
    // The kernel takes a line whole or not at all.
    if (!fd || ::write(fd.get(), line.data(), line.size()) < 0) {
        return fail_errno("cannot write '" + to_line(setting) + "' to cgroup.rseq of " +
                          shown(path));
    }
    return {};
}

Result<void> CgroupTree::make(const std::string& path, mode_t mode) const {
    if (file_of(path).empty()) {
        return fail(EINVAL, "not the path of a cgroup: " + shown(path));
    }
    if (::mkdirat(root_.get(), path.c_str() + 1, mode) != 0) {
        return fail_errno("cannot make the cgroup " + shown(path));
    }
    return {};
}

Result<void> CgroupTree::remove(const std::string& path) const {
    if (file_of(path).empty()) {
        return fail(EINVAL, "not the path of a cgroup: " + shown(path));
    }
    if (::unlinkat(root_.get(), path.c_str() + 1, AT_REMOVEDIR) != 0) {
        return fail_errno("cannot remove the cgroup " + shown(path));
    }
    return {};
}

Result<void> CgroupTree::enter(const std::string& path) const {
    const std::string file = file_of(path, members_name);
    const UniqueFd fd(::openat(root_.get(), file.c_str(), O_WRONLY | O_NOFOLLOW | O_CLOEXEC));
    if (!fd || ::write(fd.get(), "0", 1) < 0) {
        return fail_errno("cannot enter the cgroup " + shown(path));
    }
    return {};
}

bool is_gone(const Error& error) {
    return error.code == ENOENT || error.code == ENODEV;
}

} // namespace rseq::enforce
