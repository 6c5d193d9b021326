// SPDX-License-Identifier: GPL-2.0-or-later
// bench_trace FOLDER: decodes FOLDER/cpu0, FOLDER/cpu1, ... (pages as trace_pipe_raw gives them)
// with the formats in FOLDER/events, merged by time, and prints the number of events and the
// nanoseconds that it took from the first page to the last event.
#include "core/file.h"
#include "trace/merger.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <string>
#include <utility>

namespace {

using rseq::UniqueFd;
using rseq::trace::Decoder;
using rseq::trace::Merger;

[[noreturn]] void die(const std::string& why) {
    std::fprintf(stderr, "bench_trace: %s\n", why.c_str());
    std::exit(1);
}

} // namespace

int main(int argc, char** argv) {
    if (argc != 2) {
        die("usage: bench_trace FOLDER");
    }
    const std::string folder = argv[1];
    const auto events = rseq::open_directory(folder + "/events");
    if (!events) {
        die(events.error().message());
    }
    auto decoder = Decoder::load(events->get());
    if (!decoder) {
        die(decoder.error().message());
    }
    Merger merger(decoder->page_shape());
    for (unsigned cpu = 0;; ++cpu) {
        // A file gives a page with every read(2), as the pipe does.
        UniqueFd fd(::open((folder + "/cpu" + std::to_string(cpu)).c_str(), O_RDONLY | O_CLOEXEC));
        if (!fd) {
            break;
        }
        merger.add({.cpu = cpu, .fd = std::move(fd)});
    }
    const auto start = std::chrono::steady_clock::now();
    std::size_t count = 0;
    std::size_t ignored = 0;
    do {
        const auto merged = merger.merge(*decoder, std::numeric_limits<std::uint64_t>::max(), 1024);
        if (!merged) {
            die(merged.error().message());
        }
        if (merged->malformed != 0) {
            die("malformed pages");
        }
        count += merged->events.size();
        ignored += merged->ignored;
    } while (merger.pending());
    const auto took = std::chrono::steady_clock::now() - start;
    std::printf(
        "%zu %zu %lld\n", count, ignored,
        static_cast<long long>(std::chrono::duration_cast<std::chrono::nanoseconds>(took).count()));
    return 0;
}
