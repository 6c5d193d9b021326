// SPDX-License-Identifier: GPL-2.0-or-later
#include "trace/pipes.h"

#include "core/file.h"
#include "core/parse.h"

#include <fcntl.h>
#include <sys/epoll.h>

#include <algorithm>
#include <cerrno>
#include <iterator>
#include <utility>

namespace rseq::trace {

namespace {

constexpr std::size_t list_limit = 64UL * 1024;
constexpr std::size_t stats_limit = 4096;
constexpr unsigned largest_cpu = 65535;

Result<std::vector<unsigned>> read_cpu_list(int dir, const char* name) {
    auto text = read_file(dir, name, list_limit);
    if (!text) {
        return tl::unexpected<Error>(text.error());
    }
    return parse_cpu_list(*text);
}

} // namespace

Result<std::vector<unsigned>> parse_cpu_list(std::string_view text) {
    std::vector<unsigned> cpus;
    std::string_view rest = trim(take_until(text, '\n'));
    bool more = true;
    while (more) {
        more = rest.find(',') != std::string_view::npos;
        std::string_view last_text = take_until(rest, ',');
        const bool is_range = last_text.find('-') != std::string_view::npos;
        const std::string_view first_text = take_until(last_text, '-');
        const auto first = parse_number<unsigned>(first_text);
        const auto last = is_range ? parse_number<unsigned>(last_text) : first;
        if (!first || !last || *last < *first || *last > largest_cpu ||
            (!cpus.empty() && *first <= cpus.back())) {
            return fail(EPROTO, "not a list of CPUs");
        }
        for (unsigned cpu = *first; cpu <= *last; ++cpu) {
            cpus.push_back(cpu);
        }
    }
    return cpus;
}

Result<Pipes> Pipes::open(const std::string& instance, const std::string& cpus) {
    Pipes pipes;
    auto instance_dir = open_directory(instance);
    if (!instance_dir) {
        return tl::unexpected<Error>(instance_dir.error());
    }
    auto cpus_dir = open_directory(cpus);
    if (!cpus_dir) {
        return tl::unexpected<Error>(cpus_dir.error());
    }
    pipes.instance_ = std::move(*instance_dir);
    pipes.cpus_ = std::move(*cpus_dir);
    pipes.epoll_.reset(::epoll_create1(EPOLL_CLOEXEC));
    if (!pipes.epoll_) {
        return fail_errno("cannot wait for trace events");
    }
    auto possible = read_cpu_list(pipes.cpus_.get(), "possible");
    if (!possible) {
        return tl::unexpected<Error>(possible.error());
    }
    pipes.missing_ = std::move(*possible);
    return pipes;
}

Result<Pipe> Pipes::open_pipe(unsigned cpu) const {
    const std::string path = "per_cpu/cpu" + std::to_string(cpu) + "/trace_pipe_raw";
    Pipe pipe{
        .cpu = cpu,
        .fd = UniqueFd(::openat(instance_.get(), path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC))};
    if (!pipe.fd) {
        return fail_errno("cannot open " + path);
    }
    epoll_event wanted{};
    wanted.events = EPOLLIN;
    if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, pipe.fd.get(), &wanted) != 0) {
        return fail_errno("cannot wait for " + path);
    }
    return pipe;
}

Result<std::vector<Pipe>> Pipes::take_new() {
    std::vector<Pipe> pipes;
    if (missing_.empty()) {
        return pipes;
    }
    const auto online = read_cpu_list(cpus_.get(), "online");
    if (!online) {
        return tl::unexpected<Error>(online.error());
    }
    std::vector<unsigned> come;
    std::set_intersection(missing_.begin(), missing_.end(), online->begin(), online->end(),
                          std::back_inserter(come));
    for (const unsigned cpu : come) {
        auto pipe = open_pipe(cpu);
        if (!pipe) {
            return tl::unexpected<Error>(pipe.error());
        }
        pipes.push_back(std::move(*pipe));
        missing_.erase(std::lower_bound(missing_.begin(), missing_.end(), cpu));
    }
    return pipes;
}

Result<std::uint64_t> Pipes::lost(unsigned cpu) const {
    const std::string path = "per_cpu/cpu" + std::to_string(cpu) + "/stats";
    const auto text = read_file(instance_.get(), path.c_str(), stats_limit);
    if (!text) {
        return tl::unexpected<Error>(text.error());
    }
    std::uint64_t sum = 0;
    // Overwritten before they were read; and those for which there was no room at all, because an
    // interrupt came in the way of a full buffer.
    for (const char* key : {"overrun", "commit overrun", "dropped events"}) {
        const auto count = parse_number<std::uint64_t>(value_of_key(*text, key).value_or(""));
        if (!count) {
            return fail(EPROTO, path + " without " + key);
        }
        sum += *count;
    }
    return sum;
}

} // namespace rseq::trace
