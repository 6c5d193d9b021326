// SPDX-License-Identifier: GPL-2.0-or-later
#include "trace/instance.h"

#include "core/file.h"
#include "trace/mount.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

namespace rseq::trace {

namespace {

constexpr std::uint32_t least_buffer_kib = 16;

/// An error of the file system, with what it means where that is not plain.
tl::unexpected<Error> fail_tracefs(int code, const std::string& what) {
    switch (code) {
    case EPERM:
        return fail(code, what + " (a kernel that is locked down for confidentiality forbids it)");
    case EACCES:
        return fail(code, what + " (it takes root, or CAP_DAC_OVERRIDE)");
    default:
        return fail(code, what);
    }
}

/// Writes a whole word into an open file of tracefs; the errno if that fails.
int write_word(int fd, const char* word) {
    const std::size_t size = std::strlen(word);
    const ssize_t n = ::write(fd, word, size);
    if (n < 0) {
        return errno;
    }
    return static_cast<std::size_t>(n) == size ? 0 : EIO;
}

Result<std::string> find_tracefs() {
    const char* const path = rseq_find_tracefs();
    if (path == nullptr) {
        return fail(ENOENT,
                    "tracefs is not mounted (mount -t tracefs tracefs /sys/kernel/tracing)");
    }
    return std::string(path);
}

} // namespace

Result<Instance> Instance::open(const InstanceOptions& options) {
    std::string tracefs = options.tracefs;
    if (tracefs.empty()) {
        auto found = find_tracefs();
        if (!found) {
            return tl::unexpected<Error>(found.error());
        }
        tracefs = std::move(*found);
    }
    auto instances = open_directory(tracefs + "/instances");
    if (!instances) {
        return fail_tracefs(instances.error().code, instances.error().context);
    }
    Instance made;
    made.instances_ = std::move(*instances);
    made.path_ = tracefs + "/instances/" + options.name;
    if (auto created = made.create(options.name); !created) {
        return tl::unexpected<Error>(created.error());
    }
    if (auto done = made.set_up(options.buffer_kib); !done) {
        return tl::unexpected<Error>(done.error());
    }
    return made;
}

Result<void> Instance::create(const std::string& name) {
    // The kernel gives the directory and all that is in it modes of its own.
    int made = ::mkdirat(instances_.get(), name.c_str(), 0700);
    if (made != 0 && errno == EEXIST) {
        // The kernel removes an instance only if no file in it is open.
        if (::unlinkat(instances_.get(), name.c_str(), AT_REMOVEDIR) != 0) {
            const int code = errno;
            return code == EBUSY
                       ? fail(code, "the trace instance " + path_ + " is used by another program")
                       : fail_tracefs(code, "cannot remove the old trace instance " + path_);
        }
        replaced_stale_ = true;
        made = ::mkdirat(instances_.get(), name.c_str(), 0700);
    }
    if (made != 0) {
        return fail_tracefs(errno, "cannot make the trace instance " + path_);
    }
    name_ = name;
    dir_.reset(::openat(instances_.get(), name.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!dir_) {
        return fail_tracefs(errno, "cannot open " + path_);
    }
    // From here on nobody else can remove it.
    tracing_on_.reset(::openat(dir_.get(), "tracing_on", O_WRONLY | O_CLOEXEC));
    if (!tracing_on_) {
        return fail_tracefs(errno, "cannot open " + path_ + "/tracing_on");
    }
    return {};
}

Result<void> Instance::set(const std::string& file, const char* word) const {
    const UniqueFd fd(::openat(dir_.get(), file.c_str(), O_WRONLY | O_TRUNC | O_CLOEXEC));
    const int code = fd ? write_word(fd.get(), word) : errno;
    if (code != 0) {
        return fail_tracefs(code,
                            "cannot write " + std::string(word) + " to " + path_ + "/" + file);
    }
    return {};
}

Result<void> Instance::set_up(std::uint32_t buffer_kib) {
    // A new instance starts with the options of the top level, whatever somebody made of those:
    // readers that never sleep, recording that stops, stacks recorded after every event. Files that
    // a kernel does not have stand for what it cannot do, or always does.
    struct Setting {
        const char* file;
        const char* word;
        bool needed;
    };
    for (const Setting& setting : {
             Setting{"options/block", "0", false},
             Setting{"options/pause-on-trace", "0", false},
             Setting{"options/stacktrace", "0", false},
             Setting{"options/userstacktrace", "0", false},
             Setting{"options/overwrite", "1", true},
             Setting{"trace_clock", "boot", true},
             // Wake readers for the first event, not for half a buffer of them.
             Setting{"buffer_percent", "0", false},
         }) {
        auto done = set(setting.file, setting.word);
        if (!done && (setting.needed || done.error().code != ENOENT)) {
            return done;
        }
    }
    if (auto sized = set_buffer_size(buffer_kib); !sized) {
        return sized;
    }
    if (const int code = write_word(tracing_on_.get(), "1"); code != 0) {
        return fail_tracefs(code, "cannot switch on " + path_);
    }
    return {};
}

Result<void> Instance::set_buffer_size(std::uint32_t kib) {
    kib = std::max(kib, least_buffer_kib);
    for (;;) {
        auto done = set("buffer_size_kb", std::to_string(kib).c_str());
        if (done) {
            buffer_kib_ = kib;
            return {};
        }
        if (done.error().code != ENOMEM || kib == least_buffer_kib) {
            return done;
        }
        kib = std::max(kib / 2, least_buffer_kib);
    }
}

Result<void> Instance::enable(const KnownEvent& event, bool on) {
    const std::string folder = std::string("events/") + event.system + "/" + event.name;
    if (on && event.filter != nullptr) {
        if (auto filtered = set(folder + "/filter", event.filter); !filtered) {
            return filtered;
        }
    }
    return set(folder + "/enable", on ? "1" : "0");
}

Instance& Instance::operator=(Instance&& other) noexcept {
    if (this != &other) {
        remove();
        instances_ = std::move(other.instances_);
        dir_ = std::move(other.dir_);
        tracing_on_ = std::move(other.tracing_on_);
        name_ = std::move(other.name_);
        path_ = std::move(other.path_);
        buffer_kib_ = other.buffer_kib_;
        replaced_stale_ = other.replaced_stale_;
    }
    return *this;
}

Instance::~Instance() {
    remove();
}

void Instance::remove() noexcept {
    if (name_.empty() || !instances_) {
        return;
    }
    // First of all silence, because it stays if somebody has a file of it open: recording off, and
    // with this truncation all events.
    if (tracing_on_) {
        write_word(tracing_on_.get(), "0");
    }
    tracing_on_.reset(::openat(dir_.get(), "set_event", O_WRONLY | O_TRUNC | O_CLOEXEC));
    tracing_on_.reset();
    dir_.reset();
    ::unlinkat(instances_.get(), name_.c_str(), AT_REMOVEDIR);
    instances_.reset();
}

} // namespace rseq::trace
