// SPDX-License-Identifier: GPL-2.0-or-later
#include "config/settings_file.h"

#include "config/document.h"
#include "config/fields.h"
#include "config/report.h"
#include "core/slice_length.h"

#include <array>
#include <optional>

namespace rseq::config {

namespace {

using Keys = std::string_view;
constexpr std::array<Keys, 5> file_keys{"version", "log", "trace", "journal", "slice"};
constexpr std::array<Keys, 1> log_keys{"level"};
constexpr std::array<Keys, 1> trace_keys{"buffer_kib"};
constexpr std::array<Keys, 1> journal_keys{"rate_limit"};
constexpr std::array<Keys, 1> slice_keys{"length_ns"};
constexpr std::array<Keys, 2> rate_limit_keys{"interval_sec", "burst"};

/// The index is the priority of syslog(3).
constexpr std::array<Keys, 8> level_words{"emerg",   "alert",  "crit", "err",
                                          "warning", "notice", "info", "debug"};
static_assert(LOG_EMERG == 0 && LOG_DEBUG == level_words.size() - 1);

/// The mapping under a key, where there is one.
std::optional<Fields> section(const Fields& above, std::string_view key,
                              std::span<const std::string_view> known, Report& report) {
    const Field* const field = above.find(key);
    if (field == nullptr) {
        return std::nullopt;
    }
    return Fields(*field->value, quote(key), known, report);
}

void read_number_into(std::uint32_t& value, const Fields& fields, std::string_view key,
                      std::uint32_t least, std::uint32_t most, Report& report) {
    if (const Field* const field = fields.find(key)) {
        if (const auto number = read_number(*field, least, most, report)) {
            value = static_cast<std::uint32_t>(*number);
        }
    }
}

} // namespace

void read_settings(const std::string& file, std::string_view text, Settings& settings,
                   Diagnostics& diagnostics) {
    Report report(file, text, diagnostics);
    const auto document = parse_document(text, report);
    if (!document) {
        return;
    }
    const auto fields = read_file(*document, "a settings file", file_keys, report);
    if (!fields) {
        return;
    }
    if (const auto log = section(*fields, "log", log_keys, report)) {
        if (const Field* const level = log->find("level")) {
            if (const auto index = read_word(*level, level_words, report)) {
                settings.log_level = static_cast<int>(*index);
            }
        }
    }
    if (const auto trace = section(*fields, "trace", trace_keys, report)) {
        read_number_into(settings.trace_buffer_kib, *trace, "buffer_kib", 16, 65536, report);
    }
    if (const auto slice = section(*fields, "slice", slice_keys, report)) {
        if (const Field* const length = slice->find("length_ns")) {
            if (const auto ns = read_number(*length, least_slice_ns, most_slice_ns, report)) {
                settings.slice_length_ns = static_cast<std::uint32_t>(*ns);
            }
        }
    }
    if (const auto journal = section(*fields, "journal", journal_keys, report)) {
        if (const auto limit = section(*journal, "rate_limit", rate_limit_keys, report)) {
            read_number_into(settings.journal_interval_sec, *limit, "interval_sec", 1, 3600,
                             report);
            read_number_into(settings.journal_burst, *limit, "burst", 1, 100000, report);
        }
    }
}

} // namespace rseq::config
