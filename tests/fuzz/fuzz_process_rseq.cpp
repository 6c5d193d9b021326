// SPDX-License-Identifier: GPL-2.0-or-later
#include "fuzz.h"
#include "proc/rseq_file.h"

#include <cerrno>
#include <string>

using namespace rseq;
using namespace rseq::proc;

namespace {

/// The file of the kernel that says what was understood.
std::string written(const ProcessRseq& process) {
    std::string text;
    const auto line = [&](const char* key, std::uint64_t value) {
        text += std::string(key) + ":\t" + std::to_string(value) + "\n";
    };
    line("Threads", std::uint64_t{process.threads.none} + process.threads.v1 + process.threads.v2);
    line("Unregistered", process.threads.none);
    line("V1", process.threads.v1);
    line("V2", process.threads.v2);
    line("Slice_enabled", process.slice_enabled);
    line("Slice_granted", process.slices.granted);
    line("Slice_yielded", process.slices.yielded);
    line("Slice_syscall", process.slices.syscall);
    line("Slice_expired", process.slices.expired);
    line("Slice_revoked", process.slices.revoked);
    if (process.policy) {
        text += "Policy:\t" + to_string(*process.policy) + "\n";
    }
    return text;
}

bool same(const ProcessRseq& a, const ProcessRseq& b) {
    return a.threads == b.threads && written(a) == written(b) && a.policy == b.policy;
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text = text_of(data, size);
    const auto process = parse_process_rseq(text);
    if (!process) {
        require(process.error().code == EPROTO, "what is no rseq file is EPROTO");
        return 0;
    }
    require(text.ends_with('\n'), "the text is whole");
    require(process->threads.unknown == 0, "the kernel knows every thread");

    // Reading that back also fails if the sum does not fit the type of a count.
    const auto again = parse_process_rseq(written(*process));
    require(again && same(*again, *process), "what was understood is read back");
    const auto later = parse_process_rseq("Later:\t1\n" + std::string(text));
    require(later && same(*later, *process), "a key of a later kernel changes nothing");
    require(!parse_process_rseq(std::string(text) + "V1:\t1\n"), "a key twice is refused");
    require(!parse_process_rseq(std::string(text) + "x"), "a line without its end is refused");
    return 0;
}
