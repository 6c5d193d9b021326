// SPDX-License-Identifier: GPL-2.0-or-later
#include "registry/process.h"

#include <algorithm>

namespace rseq::registry {

Comm::Comm(std::string_view text) noexcept {
    const std::string_view name = text.substr(0, std::min(text.find('\0'), max_length));
    std::copy(name.begin(), name.end(), bytes_.begin());
}

std::string_view Comm::view() const noexcept {
    return bytes_.data(); // it ends with a NUL
}

std::optional<ProcessKey> Process::key() const {
    if (!start_ticks) {
        return std::nullopt;
    }
    return ProcessKey{pid, *start_ticks};
}

std::string_view Process::exe_path() const {
    return exe ? std::string_view(*exe) : std::string_view();
}

std::string_view Process::cgroup_path() const {
    return cgroup ? std::string_view(cgroup->path) : std::string_view();
}

const proc::Unit& Process::unit() const {
    static const proc::Unit none;
    return cgroup ? cgroup->unit : none;
}

} // namespace rseq::registry
