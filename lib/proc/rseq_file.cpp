// SPDX-License-Identifier: GPL-2.0-or-later
#include "proc/rseq_file.h"

#include "core/parse.h"

#include <array>
#include <cerrno>
#include <span>
#include <string>

namespace rseq::proc {

namespace {

struct Field {
    std::string_view key;
    bool required = true;
    std::optional<std::string_view> value = std::nullopt;
};

/// Fills the values of the fields from `Key:<TAB>value` lines.
Result<void> read_fields(std::string_view text, std::span<Field> fields) {
    if (!text.empty() && !text.ends_with('\n')) {
        return fail(EPROTO, "rseq file that is cut off");
    }
    while (!text.empty()) {
        std::string_view line = take_until(text, '\n');
        const std::string_view key = take_until(line, ':');
        for (Field& field : fields) {
            if (field.key != key) {
                continue;
            }
            if (field.value) {
                return fail(EPROTO, "rseq file with the key " + std::string(key) + " twice");
            }
            field.value = trim(line);
        }
    }
    for (const Field& field : fields) {
        if (field.required && !field.value) {
            return fail(EPROTO, "rseq file without the key " + std::string(field.key));
        }
    }
    return {};
}

template <class T>
Result<T> number(const Field& field) {
    const auto value = parse_number<T>(field.value.value_or(""));
    if (!value) {
        return fail(EPROTO, "rseq file with a bad value of " + std::string(field.key));
    }
    return *value;
}

std::optional<Policy> policy(const Field& field) {
    return field.value ? parse_policy(*field.value) : std::nullopt;
}

} // namespace

Result<ThreadRseq> parse_thread_rseq(std::string_view text) {
    std::array<Field, 4> fields{
        {{"Version"}, {"Length", false}, {"Slice", false}, {"Policy", false}}};
    auto& [version, length, slice, policy_field] = fields;
    if (auto read = read_fields(text, fields); !read) {
        return tl::unexpected<Error>(read.error());
    }
    const auto version_number = number<std::uint8_t>(version);
    if (!version_number) {
        return tl::unexpected<Error>(version_number.error());
    }
    ThreadRseq thread;
    thread.registration.version = *version_number;
    thread.registration.registered = *version_number != 0;
    if (length.value) {
        const auto bytes = number<std::uint32_t>(length);
        if (!bytes) {
            return tl::unexpected<Error>(bytes.error());
        }
        thread.registration.length = *bytes;
    }
    if (slice.value) {
        thread.registration.slice = parse_slice_state(*slice.value).value_or(SliceState::unknown);
    }
    thread.policy = policy(policy_field);
    return thread;
}

Result<ProcessRseq> parse_process_rseq(std::string_view text) {
    std::array<Field, 11> fields{{{"Threads"},
                                  {"Unregistered"},
                                  {"V1"},
                                  {"V2"},
                                  {"Slice_enabled"},
                                  {"Slice_granted"},
                                  {"Slice_yielded"},
                                  {"Slice_syscall"},
                                  {"Slice_expired"},
                                  {"Slice_revoked"},
                                  {"Policy", false}}};
    if (auto read = read_fields(text, fields); !read) {
        return tl::unexpected<Error>(read.error());
    }
    std::array<std::uint64_t, fields.size() - 1> values{};
    for (std::size_t i = 0; i < values.size(); i++) {
        // The first five count threads and must fit their type in ModeCounts.
        constexpr std::size_t thread_counts = 5;
        const auto value = i < thread_counts ? number<std::uint32_t>(fields[i]).map(
                                                   [](auto count) { return std::uint64_t{count}; })
                                             : number<std::uint64_t>(fields[i]);
        if (!value) {
            return tl::unexpected<Error>(value.error());
        }
        values[i] = *value;
    }
    const auto count = [&](std::size_t i) {
        return static_cast<std::uint32_t>(values[i]);
    };
    if (values[0] != values[1] + values[2] + values[3]) {
        return fail(EPROTO, "rseq file whose counts do not add up to Threads");
    }
    ProcessRseq process;
    process.threads = {.v1 = count(2), .v2 = count(3), .none = count(1), .unknown = 0};
    process.slice_enabled = count(4);
    process.slices = {values[5], values[6], values[7], values[8], values[9]};
    process.policy = policy(fields.back());
    return process;
}

} // namespace rseq::proc
