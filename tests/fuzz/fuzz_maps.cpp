// SPDX-License-Identifier: GPL-2.0-or-later
#include "explain/process_text.h"
#include "fuzz.h"

#include <algorithm>
#include <cerrno>
#include <set>
#include <string>
#include <utility>

using namespace rseq::explain;

namespace {

void check_accepted(std::string_view text, const std::vector<MappedFile>& files) {
    const auto lines = std::count(text.begin(), text.end(), '\n') + 1;
    require(files.size() <= static_cast<std::size_t>(lines), "a line is one mapping");
    std::set<std::pair<std::uint64_t, std::string>> seen;
    for (const MappedFile& file : files) {
        require(file.start < file.end, "a mapping has a size");
        require(file.inode != 0, "a file has an inode");
        require(file.path.starts_with('/'), "a file is at a path");
        require(seen.emplace(file.inode, file.path).second, "a file is listed once");
    }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text = text_of(data, size);
    const auto files = parse_maps(text);
    if (files) {
        check_accepted(text, *files);
    } else {
        require(files.error().code == EPROTO, "what is no maps is EPROTO");
    }

    // The same bytes as a path, written as the kernel does: any name must come through.
    std::string name("/");
    std::string written("/");
    for (const char c : text) {
        if (c != '\\' && c != '\0') {
            name += c;
            written += c == '\n' ? std::string("\\012") : std::string(1, c);
        }
    }
    const auto one = parse_maps("1000-2000 r-xp 00003000 fe:00 17      " + written +
                                " (deleted)\n"
                                "2000-3000 r-xp 00003000 fe:00 17      " +
                                written + "\n");
    require(one.has_value() && one->front().path == name, "any name comes through");
    require(one->front().deleted && one->front().start == 0x1000 && one->front().offset == 0x3000,
            "no name changes the numbers");
    return 0;
}
