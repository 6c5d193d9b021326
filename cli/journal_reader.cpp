// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/journal_reader.h"

#include "daemon/message_ids.h"

#include <systemd/sd-journal.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <map>
#include <memory>
#include <string_view>

namespace rseq::cli {

namespace {

struct CloseJournal {
    void operator()(sd_journal* journal) const noexcept { ::sd_journal_close(journal); }
};
using Journal = std::unique_ptr<sd_journal, CloseJournal>;

constexpr std::size_t most_entries = 100'000;
/// Of one field: more than a path can have.
constexpr std::size_t field_limit = 8192;
constexpr std::array<const char*, 9> wanted_fields{"RSEQ_PID",    "RSEQ_COMM",     "RSEQ_EXE",
                                                   "RSEQ_CGROUP", "RSEQ_UNIT",     "RSEQ_MODE",
                                                   "RSEQ_REASON", "RSEQ_EXPECTED", "RSEQ_FOUND"};

Result<Journal> open_journal(const std::string& directory) {
    sd_journal* opened = nullptr;
    const int done = directory.empty()
                         ? ::sd_journal_open(&opened, SD_JOURNAL_LOCAL_ONLY | SD_JOURNAL_SYSTEM)
                         : ::sd_journal_open_directory(&opened, directory.c_str(), 0);
    Journal journal(opened);
    if (done < 0) {
        return fail(-done,
                    "cannot open the journal" + (directory.empty() ? "" : " in " + directory));
    }
    // What this user may not read is passed over without an error.
    if (::sd_journal_has_persistent_files(opened) <= 0 &&
        ::sd_journal_has_runtime_files(opened) <= 0 && directory.empty()) {
        return ::geteuid() == 0 ? fail(ENOENT, "there is no journal")
                                : fail(EACCES, "cannot read the journal");
    }
    return journal;
}

Result<void> add_matches(sd_journal* journal, bool own_service) {
    const std::string id = "MESSAGE_ID=" + std::string(daemon::message_id::violation);
    constexpr std::string_view unit = "_SYSTEMD_UNIT=rseq-compatd.service";
    int done = ::sd_journal_add_match(journal, id.data(), id.size());
    if (done >= 0 && own_service) {
        done = ::sd_journal_add_match(journal, unit.data(), unit.size());
    }
    return done < 0 ? Result<void>(fail(-done, "cannot search the journal")) : Result<void>();
}

std::map<std::string, std::string> read_fields(sd_journal* journal) {
    std::map<std::string, std::string> fields;
    for (const char* name : wanted_fields) {
        const void* data = nullptr;
        std::size_t size = 0;
        if (::sd_journal_get_data(journal, name, &data, &size) < 0) {
            continue;
        }
        std::string_view text(static_cast<const char*>(data), size);
        text.remove_prefix(std::min(std::string_view(name).size() + 1, text.size()));
        fields[name] = text.substr(0, field_limit);
    }
    return fields;
}

} // namespace

Result<std::vector<Killed>> read_violations(const std::string& directory,
                                            std::optional<std::uint64_t> since_usec) {
    auto journal = open_journal(directory);
    if (!journal) {
        return tl::unexpected<Error>(std::move(journal.error()));
    }
    sd_journal* const entries = journal->get();
    // Files of another machine were chosen by whoever names them.
    if (auto done = add_matches(entries, directory.empty()); !done) {
        return tl::unexpected<Error>(std::move(done.error()));
    }
    int done = since_usec ? ::sd_journal_seek_realtime_usec(entries, *since_usec)
                          : ::sd_journal_seek_head(entries);
    std::vector<Killed> killed;
    while (done >= 0 && (done = ::sd_journal_next(entries)) > 0) {
        std::uint64_t time = 0;
        if (::sd_journal_get_realtime_usec(entries, &time) < 0 ||
            (since_usec && time < *since_usec)) {
            continue;
        }
        if (auto one = parse_killed(time, read_fields(entries))) {
            killed.push_back(std::move(*one));
        }
        if (killed.size() > most_entries) {
            return fail(ENOBUFS, "there are too many violations in the journal; --since");
        }
    }
    if (done < 0) {
        return fail(-done, "cannot read the journal");
    }
    return killed;
}

} // namespace rseq::cli
