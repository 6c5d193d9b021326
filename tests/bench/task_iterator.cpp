// SPDX-License-Identifier: GPL-2.0-or-later
// task_iterator [PASSES]: the same as bare_iterator, with TaskIterator.
#include "bpf/task_iterator.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>

int main(int argc, char** argv) {
    using Clock = std::chrono::steady_clock;
    using Milliseconds = std::chrono::duration<double, std::milli>;
    const int passes = argc > 1 ? std::atoi(argv[1]) : 20;

    const auto begin = Clock::now();
    auto iterator = rseq::bpf::TaskIterator::load();
    const Milliseconds load = Clock::now() - begin;
    if (!iterator) {
        std::fprintf(stderr, "task_iterator: %s\n", iterator.error().message().c_str());
        return 1;
    }
    Milliseconds best = Milliseconds::max();
    std::size_t threads = 0;
    for (int i = 0; i < passes; ++i) {
        const auto start = Clock::now();
        const auto snapshot = iterator->snapshot();
        best = std::min<Milliseconds>(best, Clock::now() - start);
        threads = snapshot ? snapshot->size() : 0;
    }
    std::printf("threads %zu load_ms %.3f pass_ms %.3f\n", threads, load.count(), best.count());
    return 0;
}
