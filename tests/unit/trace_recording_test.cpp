// SPDX-License-Identifier: GPL-2.0-or-later
// Pages that tests/data/trace/record took from kernels, decoded, against the same events as those
// kernels printed them.
#include "trace/merger.h"
#include "trace_pages.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <limits>
#include <map>
#include <regex>
#include <set>
#include <string>
#include <variant>
#include <vector>

namespace rseq::test {
namespace {

namespace fs = std::filesystem;

/// An event in the words that the kernel prints it with.
struct InWords {
    std::string operator()(const event::ThreadStarted& e) const {
        return fmt::format("task_newtask: pid={} comm={} clone_flags={:x}", e.tid, e.comm,
                           e.clone_flags);
    }
    std::string operator()(const event::Renamed& e) const {
        return fmt::format("task_rename: pid={} newcomm={}", e.tid, e.comm);
    }
    std::string operator()(const event::Executed& e) const {
        return fmt::format("sched_process_exec: filename={} pid={} old_pid={}", e.filename, e.tgid,
                           e.caller);
    }
    std::string operator()(const event::Exited& e) const {
        return fmt::format("sched_process_exit: pid={} group_dead={}", e.tid,
                           e.group_dead.value_or(false));
    }
    std::string operator()(const event::CgroupMade& e) const {
        return fmt::format("cgroup_mkdir: id={} path={}", e.id, e.path);
    }
    std::string operator()(const event::CgroupEntered& e) const {
        return fmt::format("cgroup_attach_task: dst_id={} dst_path={} pid={}", e.id, e.path, e.tid);
    }
    std::string operator()(const event::Registered& e) const {
        if (!e.version) {
            return fmt::format("sys_rseq: len={:#x} flags={:#x} sig={:#x} ret={}", e.length,
                               e.flags, e.signature, -e.error);
        }
        return fmt::format("rseq_register: tgid={} version={} len={} flags={:#x} sig={:#x} "
                           "slice={} ret={}",
                           e.tgid, *e.version, e.length, e.flags, e.signature, to_string(e.slice),
                           -e.error);
    }
    std::string operator()(const event::Unregistered& e) const {
        return e.tgid == 0 ? fmt::format("sys_rseq: unregister ret={}", -e.error)
                           : fmt::format("rseq_unregister: tgid={} ret={}", e.tgid, -e.error);
    }
    std::string operator()(const event::Violation& e) const {
        return fmt::format("rseq_violation: tgid={} version={} reason={} expected={:#x} "
                           "found={:#x} ip={:#x}",
                           e.tgid, e.version, e.reason, e.expected, e.found, e.ip);
    }
    std::string operator()(const event::PolicyLatched& e) const {
        return fmt::format("rseq_policy: tgid={} mode={} slice={}", e.tgid,
                           to_string(e.policy.mode), to_string(e.policy.slice));
    }
    std::string operator()(const event::SliceEnabled& e) const {
        return fmt::format("rseq_slice_enable: tgid={} enable={} ret={}", e.tgid, int{e.enable},
                           -e.error);
    }
    std::string operator()(const event::SliceGranted& e) const {
        return fmt::format("rseq_slice_grant: tgid={} ns={}", e.tgid, e.length_ns);
    }
    std::string operator()(const event::SliceEnded& e) const {
        return fmt::format("rseq_slice_end: tgid={} reason={} held_ns={}", e.tgid, e.reason,
                           e.held_ns);
    }
};

std::string in_words(const Event& event) {
    // The kernel rounds to microseconds.
    const std::uint64_t us = (event.time_ns + 500) / 1000;
    return fmt::format("{} {}.{:06} {}", event.tid, us / 1'000'000, us % 1'000'000,
                       std::visit(InWords{}, event.payload));
}

/// The lines of the kernel's text, reduced to what an event holds.
class KernelText {
public:
    explicit KernelText(const fs::path& path) {
        std::ifstream stream(path);
        EXPECT_TRUE(stream) << path;
        for (std::string line; std::getline(stream, line);) {
            take(line);
        }
    }

    std::vector<std::string> events;
    std::uint64_t in_buffer = 0;
    std::uint64_t written = 0;

private:
    void take(const std::string& line) {
        static const std::regex count(R"(# entries-in-buffer/entries-written: (\d+)/(\d+) .*)");
        static const std::regex entry(R"( *.*-(\d+) +\[\d+\] [^ ]+ +(\d+\.\d+): (.*))");
        std::smatch match;
        if (std::regex_match(line, match, count)) {
            in_buffer = std::stoull(match[1]);
            written = std::stoull(match[2]);
        } else if (std::regex_match(line, match, entry)) {
            const std::string words = reduce(match[1], match[3]);
            if (!words.empty()) {
                events.push_back(fmt::format("{} {} {}", match[1].str(), match[2].str(), words));
            }
        } else {
            EXPECT_TRUE(line.starts_with('#')) << "not understood: " << line;
        }
    }

    std::string reduce(const std::string& tid, const std::string& words) {
        static const std::regex enter(
            R"(sys_rseq\(rseq: \w+, rseq_len: (\w+), flags: (\w+), sig: (\w+)\))");
        static const std::regex leave(R"(sys_rseq -> 0x(\w+))");
        static const std::regex other_hierarchy(R"(cgroup_\w+: (dst_)?root=[1-9].*)");
        // What the kernel prints and an event does not hold.
        static const std::regex left_out(
            R"( (oom_score_adj|oldcomm|prio|(dst_)?root|(dst_)?level)=[^ ]*)");
        static const std::regex comm_left_out(R"((exit:|attach_task:)(.*) comm=[^ ]*)");
        static const std::regex version_left_out(R"((rseq_unregister: tgid=\d+) version=\d+)");
        std::smatch match;
        if (std::regex_match(words, match, enter)) {
            const auto number = [&](std::size_t i) {
                return std::stoul(match[i], nullptr, 0);
            };
            calls_[tid] = number(2) == 1 ? "sys_rseq: unregister"
                                         : fmt::format("sys_rseq: len={:#x} flags={:#x} sig={:#x}",
                                                       number(1), number(2), number(3));
            return {};
        }
        if (std::regex_match(words, match, leave)) {
            const auto ret = static_cast<std::int64_t>(std::stoull(match[1], nullptr, 16));
            const auto call = calls_.extract(tid);
            return call ? fmt::format("{} ret={}", call.mapped(), ret) : std::string();
        }
        if (std::regex_match(words, other_hierarchy)) {
            return {};
        }
        std::string rest = std::regex_replace(words, left_out, "");
        rest = std::regex_replace(rest, comm_left_out, "$1$2");
        return std::regex_replace(rest, version_left_out, "$1");
    }

    std::map<std::string, std::string> calls_;
};

/// One scene of one kernel: tests/data/trace/KERNEL/SCENE.
struct Recording {
    std::string kernel;
    std::string scene;
    [[nodiscard]] fs::path folder() const { return fs::path(RSEQ_TRACE_DATA) / kernel / scene; }
};
void PrintTo(const Recording& recording, std::ostream* out) {
    *out << recording.kernel << "/" << recording.scene;
}

class RecordingTest : public testing::TestWithParam<Recording> {
protected:
    struct Decoded {
        trace::Merger::Merged merged;
        unsigned cpus = 0;
    };
    static Decoded decode() {
        Decoded decoded;
        auto decoder = trace::Decoder::load(recorded_events(GetParam().kernel).get());
        EXPECT_TRUE(decoder) << decoder.error().message();
        trace::Merger merger(decoder->page_shape());
        for (unsigned cpu = 0; cpu < 2; ++cpu) {
            PagePipe pipe;
            for (const Bytes& page :
                 pages_of(GetParam().folder() / ("cpu" + std::to_string(cpu)))) {
                pipe.write(page);
                decoded.cpus |= 1U << cpu;
            }
            merger.add({.cpu = cpu, .fd = pipe.take_reading()});
        }
        auto merged = merger.merge(*decoder, std::numeric_limits<std::uint64_t>::max(), 1'000'000);
        EXPECT_TRUE(merged) << merged.error().message();
        EXPECT_FALSE(merger.pending());
        decoded.merged = std::move(*merged);
        return decoded;
    }
};

TEST_P(RecordingTest, IsDecodedToWhatTheKernelPrinted) {
    const KernelText text(GetParam().folder() / "text");
    const Decoded decoded = decode();
    EXPECT_EQ(decoded.merged.malformed, 0U);
    ASSERT_FALSE(text.events.empty());
    ASSERT_EQ(decoded.merged.events.size(), text.events.size());
    for (std::size_t i = 0; i < text.events.size(); ++i) {
        EXPECT_EQ(in_words(decoded.merged.events[i]), text.events[i]);
    }
}

TEST_P(RecordingTest, TellsOfMissingRecordsIfTheKernelLostAny) {
    const KernelText text(GetParam().folder() / "text");
    const Decoded decoded = decode();
    EXPECT_EQ(text.written > text.in_buffer, !decoded.merged.missed.empty());
    std::uint64_t at_least = 0;
    for (const auto& missed : decoded.merged.missed) {
        at_least += missed.at_least;
    }
    EXPECT_LE(at_least, text.written - text.in_buffer);
}

std::vector<Recording> recordings() {
    std::vector<Recording> all;
    for (const auto& kernel : fs::directory_iterator(RSEQ_TRACE_DATA)) {
        if (!kernel.is_directory()) {
            continue;
        }
        for (const auto& scene : fs::directory_iterator(kernel)) {
            if (scene.path().filename() != "events") {
                all.push_back({kernel.path().filename(), scene.path().filename()});
            }
        }
    }
    std::sort(all.begin(), all.end(), [](const Recording& a, const Recording& b) {
        return std::tie(a.kernel, a.scene) < std::tie(b.kernel, b.scene);
    });
    return all;
}

INSTANTIATE_TEST_SUITE_P(Trace, RecordingTest, testing::ValuesIn(recordings()),
                         [](const auto& recording) {
                             std::string name =
                                 recording.param.kernel + "_" + recording.param.scene;
                             std::replace(name.begin(), name.end(), '.', '_');
                             return name;
                         });

// The recordings are only worth something if they hold what has to be told apart.
TEST(Recordings, HoldEveryKindOfEvent) {
    std::map<std::string, std::set<std::string>> kinds;
    std::set<std::string> details;
    for (const Recording& recording : recordings()) {
        const KernelText text(recording.folder() / "text");
        for (const std::string& line : text.events) {
            std::smatch match;
            static const std::regex name(R"(\d+ [^ ]+ (\w+):.*)");
            ASSERT_TRUE(std::regex_match(line, match, name)) << line;
            kinds[recording.kernel].insert(match[1]);
            static const std::regex detail(
                R"((version=[12] len=|ret=-\d+|reason=\w+|mode=\w+|unregister:))");
            if (std::regex_search(line, match, detail)) {
                details.insert(match[1]);
            }
        }
    }
    const std::set<std::string> everywhere{"task_newtask",       "task_rename",
                                           "sched_process_exec", "sched_process_exit",
                                           "cgroup_mkdir",       "cgroup_attach_task"};
    std::set<std::string> expected = everywhere;
    expected.insert("sys_rseq");
    EXPECT_EQ(kinds["6.18"], expected);
    expected = everywhere;
    expected.insert({"rseq_register", "rseq_unregister", "rseq_violation", "rseq_policy",
                     "rseq_slice_enable", "rseq_slice_grant", "rseq_slice_end"});
    EXPECT_EQ(kinds["7.3"], expected);
    for (const char* detail :
         {"version=1 len=", "version=2 len=", "ret=-22", "ret=-38", "unregister:", "mode=legacy",
          "mode=off", "reason=cpu_id_start", "reason=yield", "reason=syscall", "reason=expired"}) {
        EXPECT_TRUE(details.contains(detail)) << detail;
    }
}

} // namespace
} // namespace rseq::test
