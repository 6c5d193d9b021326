// SPDX-License-Identifier: GPL-2.0-or-later
#include "trace/reader.h"

#include "core/file.h"
#include "trace/decoder.h"
#include "trace/merger.h"
#include "trace/pipes.h"

#include <algorithm>
#include <cerrno>
#include <ctime>
#include <map>
#include <string>
#include <utility>

namespace rseq::trace {

namespace {

/// The trace clock `boot` and CLOCK_BOOTTIME are the same clock, read in two ways. While the kernel
/// corrects its rate, by 500 ppm at the most, the two can differ by what one correction makes of a
/// tick: some microseconds. A correction that is missed is nothing to the tens of microseconds that
/// it takes to wake a reader.
constexpr std::uint64_t clock_difference_ns = 10'000;

std::uint64_t boot_time_ns() {
    timespec now{};
    ::clock_gettime(CLOCK_BOOTTIME, &now);
    return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000U +
           static_cast<std::uint64_t>(now.tv_nsec);
}

bool used_with(KnownEvent::Use use, EventSource source) {
    switch (use) {
    case KnownEvent::Use::always:
        return true;
    case KnownEvent::Use::rseq:
        return source == EventSource::rseq;
    case KnownEvent::Use::syscalls:
        return source == EventSource::syscalls;
    case KnownEvent::Use::slices:
        break;
    }
    return false;
}

} // namespace

// In the order in which they are made, and in the opposite one they go: no pipe may be open when
// the instance is removed.
struct Reader::State {
    State(Instance made, Decoder loaded, Pipes opened, std::size_t largest_batch)
        : instance(std::move(made)), decoder(std::move(loaded)), pipes(std::move(opened)),
          merger(decoder.page_shape()), batch(largest_batch) {}

    Result<void> take_new_pipes();
    std::uint64_t count_lost(const std::vector<Merger::Missed>& missed);

    Instance instance;
    Decoder decoder;
    Pipes pipes;
    Merger merger;
    std::size_t batch;
    Counters counters;
    std::map<unsigned, std::uint64_t> lost_of_cpu; ///< reported so far
};

Result<void> Reader::State::take_new_pipes() {
    auto come = pipes.take_new();
    if (!come) {
        return tl::unexpected<Error>(come.error());
    }
    for (Pipe& pipe : *come) {
        merger.add(std::move(pipe));
    }
    return {};
}

/// A page tells that records are missing before it, and often not how many. The kernel's counters
/// know that, but do not say when. So a page is the alarm, and the counters give the number; it can
/// include losses that the next page will tell of, which are not counted again then.
std::uint64_t Reader::State::count_lost(const std::vector<Merger::Missed>& missed) {
    std::uint64_t sum = 0;
    for (const auto& [cpu, at_least] : missed) {
        std::uint64_t& reported = lost_of_cpu[cpu];
        const auto lost = pipes.lost(cpu);
        const std::uint64_t more = lost ? *lost - std::min(*lost, reported) : at_least;
        reported += more;
        sum += more;
    }
    return sum;
}

Reader::Reader(std::unique_ptr<State> state) : state_(std::move(state)) {}
Reader::Reader(Reader&&) noexcept = default;
Reader& Reader::operator=(Reader&&) noexcept = default;
Reader::~Reader() = default;

Result<Reader> Reader::open(const ReaderOptions& options) {
    auto instance = Instance::open(options.instance);
    if (!instance) {
        return tl::unexpected<Error>(instance.error());
    }
    const auto events = open_directory(instance->path() + "/events");
    if (!events) {
        return tl::unexpected<Error>(events.error());
    }
    auto decoder = Decoder::load(events->get());
    if (!decoder) {
        return tl::unexpected<Error>(decoder.error());
    }
    auto pipes = Pipes::open(instance->path());
    if (!pipes) {
        return tl::unexpected<Error>(pipes.error());
    }
    auto state =
        std::make_unique<State>(std::move(*instance), std::move(*decoder), std::move(*pipes),
                                std::max<std::size_t>(options.batch, 1));
    if (auto taken = state->take_new_pipes(); !taken) {
        return tl::unexpected<Error>(taken.error());
    }
    for (const KnownEvent& known : known_events()) {
        if (!state->decoder.has(known.kind) || !used_with(known.use, state->decoder.source())) {
            continue;
        }
        if (auto enabled = state->instance.enable(known, true); !enabled) {
            return tl::unexpected<Error>(enabled.error());
        }
    }
    return Reader(std::move(state));
}

int Reader::fd() const {
    return state_->pipes.epoll_fd();
}

Result<Drained> Reader::drain() {
    const std::uint64_t now = boot_time_ns();
    if (auto taken = state_->take_new_pipes(); !taken) {
        return tl::unexpected<Error>(taken.error());
    }
    const std::uint64_t horizon = now - std::min(now, clock_difference_ns);
    auto merged = state_->merger.merge(state_->decoder, horizon, state_->batch);
    if (!merged) {
        return tl::unexpected<Error>(merged.error());
    }
    Drained drained;
    drained.events = std::move(merged->events);
    drained.lost = state_->count_lost(merged->missed) + merged->malformed;
    Counters& counters = state_->counters;
    counters.events += drained.events.size();
    counters.lost += drained.lost;
    counters.malformed += merged->malformed;
    counters.ignored += merged->ignored;
    return drained;
}

bool Reader::pending() const {
    return state_->merger.pending();
}

Result<void> Reader::set_slices(bool on) {
    for (const KnownEvent& known : known_events()) {
        if (known.use != KnownEvent::Use::slices) {
            continue;
        }
        if (!state_->decoder.has(known.kind)) {
            return fail(ENOENT, std::string("no trace event ") + known.name);
        }
        if (auto enabled = state_->instance.enable(known, on); !enabled) {
            return tl::unexpected<Error>(enabled.error());
        }
    }
    return {};
}

EventSource Reader::source() const {
    return state_->decoder.source();
}
const Counters& Reader::counters() const {
    return state_->counters;
}
const Instance& Reader::instance() const {
    return state_->instance;
}

} // namespace rseq::trace
