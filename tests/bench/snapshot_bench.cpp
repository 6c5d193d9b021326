// SPDX-License-Identifier: GPL-2.0-or-later
// bench_snapshot ROUNDS PROCESSES: times the sources of a snapshot, and bare C that reads the same,
// in turns. Prints `NAME MICROSECONDS` for each measurement, and `# ...` lines of what was
// measured.
#include "bench/bare.h"
#include "bpf/task_iterator.h"
#include "core/parse.h"
#include "snapshot/snapshot.h"
#include "tmp_tree.h"

#include <fmt/format.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstring>
#include <functional>
#include <stdexcept>
#include <string>
#include <vector>

using namespace rseq;
using rseq::test::TmpTree;

namespace {

/// A sample of `name`; the work returns false if it failed.
void measure(const char* name, const std::function<bool()>& work) {
    const auto start = std::chrono::steady_clock::now();
    const bool done = work();
    const std::chrono::duration<double, std::micro> took = std::chrono::steady_clock::now() - start;
    if (!done) {
        throw std::runtime_error(std::string(name) + " failed");
    }
    std::printf("%s %.1f\n", name, took.count());
}

/// What the patched kernel shows, for kernels that do not.
void fill(TmpTree& tree, unsigned processes) {
    for (unsigned i = 1; i <= processes; i++) {
        const std::string folder = std::to_string(1000 + i) + "/";
        tree.file(folder + "stat",
                  fmt::format("{} (worker-{}) S 1 1 1 0 -1 4194560 1534 12 0 0 7 3 0 0 20 0 10 0 "
                              "{} 12345678 901 18446744073709551615 1 1 0 0 0 0 0 0 0 0 0 0 17 1 0 "
                              "0 0 0 0 0 0 0 0 0 0 0 0\n",
                              1000 + i, i, 5000 + i));
        tree.file(folder + "cgroup", fmt::format("0::/system.slice/worker-{}.service\n", i));
        tree.file(folder + "rseq",
                  "Threads:\t10\nUnregistered:\t1\nV1:\t0\nV2:\t9\nSlice_enabled:\t3\n"
                  "Slice_granted:\t1523\nSlice_yielded:\t1490\nSlice_syscall:\t2\n"
                  "Slice_expired:\t21\nSlice_revoked:\t10\nPolicy:\tauto allow\n");
    }
    tree.symlink("self", "1001");
}

void run_bpf(unsigned rounds) {
    auto iterator = bpf::TaskIterator::load();
    const int link = bare_attach();
    if (!iterator || link < 0) {
        std::printf("# no BPF here: %s\n",
                    iterator ? std::strerror(-link) : iterator.error().message().c_str());
        return;
    }
    const UniqueFd bare_link(link);
    std::vector<char> buffer(64UL * 1024);
    std::size_t threads = 0;
    for (unsigned i = 0; i < rounds; i++) {
        measure("bpf_bare",
                [&] { return bare_pass(bare_link.get(), buffer.data(), buffer.size()) > 0; });
        measure("bpf_snapshot", [&] {
            const auto observed = iterator->snapshot();
            threads = observed ? observed->size() : 0;
            return threads > 0;
        });
    }
    std::printf("# threads in the snapshot: %zu\n", threads);
}

void run_take(unsigned rounds) {
    auto root = open_directory("/proc");
    if (!root) {
        throw std::runtime_error(root.error().message());
    }
    const proc::ProcReader reader(std::move(*root));
    KernelFacts facts;
    facts.kernel_class = KernelClass::historical;
    for (unsigned i = 0; i < rounds; i++) {
        measure("load", [] {
            const auto loaded = bpf::TaskIterator::load();
            if (!loaded) {
                std::fprintf(stderr, "%s\n", loaded.error().message().c_str());
            }
            return loaded.has_value();
        });
        measure("take", [&] { return snapshot::take(reader, facts, {}).has_value(); });
    }
}

void run_procfs(unsigned rounds, unsigned processes) {
    auto root = open_directory("/proc");
    TmpTree tree;
    const bool patched = root && proc::ProcReader(std::move(*root)).has_rseq_files();
    if (!patched) {
        fill(tree, processes);
    }
    std::printf("# /proc source: %s\n",
                patched ? "/proc of this kernel" : "a generated tree on tmpfs");
    const auto open = [&] {
        return patched ? std::move(*open_directory("/proc")) : tree.open();
    };
    const UniqueFd bare_root = open();
    const proc::ProcReader reader(open());
    KernelFacts facts;
    facts.kernel_class = KernelClass::dual;
    std::size_t shown = 0;
    for (unsigned i = 0; i < rounds; i++) {
        measure("procfs_bare", [&] { return bare_proc(bare_root.get()) > 0; });
        measure("procfs_snapshot", [&] {
            const auto snapshot = snapshot::take(reader, facts, {});
            shown = snapshot && snapshot->unknown_reason.empty() ? snapshot->processes.size() : 0;
            return shown >= (patched ? 1 : processes);
        });
    }
    std::printf("# processes from the /proc source: %zu\n", shown);
}

} // namespace

int main(int argc, char** argv) {
    const auto rounds = parse_number<unsigned>(argc == 3 ? argv[1] : "");
    const auto processes = parse_number<unsigned>(argc == 3 ? argv[2] : "");
    if (!rounds || !processes || *rounds == 0 || *processes == 0) {
        std::fputs("usage: bench_snapshot ROUNDS PROCESSES\n", stderr);
        return 2;
    }
    try {
        run_bpf(*rounds);
        run_take(*rounds);
        run_procfs(*rounds, *processes);
    } catch (const std::exception& error) {
        std::fprintf(stderr, "bench_snapshot: %s\n", error.what());
        return 1;
    }
    return 0;
}
