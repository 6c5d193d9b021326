// SPDX-License-Identifier: GPL-2.0-or-later
#include "config/load.h"

#include "config/files.h"
#include "config/policy_file.h"
#include "config/settings_file.h"

#ifdef __GLIBC__
#include <malloc.h>
#endif

#include <utility>

namespace rseq::config {

namespace {

template <class T>
Loaded<T> outcome(T value, Diagnostics diagnostics) {
    if (!diagnostics.empty()) {
        return tl::unexpected(std::move(diagnostics));
    }
    return value;
}

Loaded<Configuration> load_all(const std::string& root) {
    Diagnostics diagnostics;
    Reader reader(diagnostics);
    Configuration configuration;

    std::vector<std::string> paths = find_fragments(root, "rseq-compatd.d", diagnostics);
    if (auto main = find_file(root, "rseq-compatd.yaml", diagnostics)) {
        paths.insert(paths.begin(), std::move(*main));
    }
    for (std::string& path : paths) {
        const auto text = reader.read(path);
        if (text && !text->empty()) {
            read_settings(path, *text, configuration.settings, diagnostics);
            configuration.files.push_back(std::move(path));
        }
    }

    Rules rules;
    for (std::string& path : find_fragments(root, "policy.d", diagnostics)) {
        const auto text = reader.read(path);
        if (text && !text->empty()) {
            read_policy(path, *text, rules, diagnostics);
            configuration.files.push_back(std::move(path));
        }
    }
    configuration.rules = std::move(rules.rules);
    return outcome(std::move(configuration), std::move(diagnostics));
}

} // namespace

Loaded<Configuration> load(const std::string& root) {
    auto loaded = load_all(root);
#ifdef __GLIBC__
    // A daemon lives on. Small pieces that are free stay with the process otherwise, megabytes of
    // them after a large file.
    static_cast<void>(::malloc_trim(0));
#endif
    return loaded;
}

Loaded<std::vector<policy::Rule>> load_policy_files(const std::vector<std::string>& paths) {
    Diagnostics diagnostics;
    Reader reader(diagnostics);
    Rules rules;
    for (const std::string& path : paths) {
        if (const auto text = reader.read(path)) {
            read_policy(path, *text, rules, diagnostics);
        }
    }
    return outcome(std::move(rules.rules), std::move(diagnostics));
}

Loaded<std::vector<policy::Rule>> parse_policy(const std::string& file, std::string_view text) {
    Diagnostics diagnostics;
    Rules rules;
    read_policy(file, text, rules, diagnostics);
    return outcome(std::move(rules.rules), std::move(diagnostics));
}

Loaded<Settings> parse_settings(const std::string& file, std::string_view text, Settings settings) {
    Diagnostics diagnostics;
    read_settings(file, text, settings, diagnostics);
    return outcome(settings, std::move(diagnostics));
}

} // namespace rseq::config
