// SPDX-License-Identifier: GPL-2.0-or-later
#include "enforce/held.h"
#include "fuzz.h"

#include <cerrno>

using namespace rseq::enforce;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto held = parse_held(text_of(data, size));
    if (!held) {
        require(held.error().code == EPROTO, "what is no file of ours is EPROTO");
        return 0;
    }
    for (const auto& [path, cgroup] : held->cgroups) {
        require(path.starts_with('/'), "a path is absolute");
        require(!cgroup.empty(), "an entry holds something");
    }
    const auto again = parse_held(to_json(*held));
    require(again && *again == *held, "what was read comes back as it was");
    return 0;
}
