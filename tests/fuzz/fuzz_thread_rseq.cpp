// SPDX-License-Identifier: GPL-2.0-or-later
#include "fuzz.h"
#include "proc/rseq_file.h"

#include <cerrno>
#include <string>

using namespace rseq;
using namespace rseq::proc;

namespace {

/// The file of the kernel that says what was understood.
std::string written(const ThreadRseq& thread) {
    const Registration& registration = thread.registration;
    std::string text = "Version:\t" + std::to_string(registration.version.value()) + "\nLength:\t" +
                       std::to_string(registration.length) + "\nSlice:\t" +
                       std::string(to_string(registration.slice)) + "\n";
    if (thread.policy) {
        text += "Policy:\t" + to_string(*thread.policy) + "\n";
    }
    return text;
}

bool same(const ThreadRseq& a, const ThreadRseq& b) {
    return a.registration == b.registration && a.policy == b.policy;
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text = text_of(data, size);
    const auto thread = parse_thread_rseq(text);
    if (!thread) {
        require(thread.error().code == EPROTO, "what is no rseq file is EPROTO");
        return 0;
    }
    require(text.ends_with('\n'), "the text is whole");
    require(thread->registration.version.has_value(), "there is a version");
    require(thread->registration.registered == (thread->registration.version != 0),
            "version 0 is not registered");

    const auto again = parse_thread_rseq(written(*thread));
    require(again && same(*again, *thread), "what was understood is read back");
    const auto later = parse_thread_rseq("Later:\t1\n" + std::string(text));
    require(later && same(*later, *thread), "a key of a later kernel changes nothing");
    require(!parse_thread_rseq(std::string(text) + "Version:\t1\n"), "a key twice is refused");
    require(!parse_thread_rseq(std::string(text) + "x"), "a line without its end is refused");
    return 0;
}
