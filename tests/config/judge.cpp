// SPDX-License-Identifier: GPL-2.0-or-later
// judge policy|settings FILE...: what the loader says of each file by itself. Prints `good FILE` or
// `bad FILE`, and each error below it behind a tab.
#include "config/load.h"

#include <array>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>

using namespace rseq::config;

namespace {

Diagnostics errors_of(const std::string& kind, const std::string& file, std::string_view text) {
    if (kind == "settings") {
        const auto settings = parse_settings(file, text);
        return settings ? Diagnostics() : settings.error();
    }
    const auto rules = parse_policy(file, text);
    return rules ? Diagnostics() : rules.error();
}

} // namespace

int main(int argc, char** argv) {
    const std::string kind = argc > 1 ? argv[1] : "";
    if (kind != "policy" && kind != "settings") {
        std::fputs("usage: judge policy|settings FILE...\n", stderr);
        return 2;
    }
    for (int i = 2; i < argc; i++) {
        std::ifstream stream(argv[i], std::ios::binary);
        const std::string text{std::istreambuf_iterator<char>(stream), {}};
        if (!stream) {
            std::fprintf(stderr, "judge: cannot read %s\n", argv[i]);
            return 1;
        }
        const Diagnostics errors = errors_of(kind, argv[i], text);
        std::printf("%s %s\n", errors.empty() ? "good" : "bad", argv[i]);
        for (const Diagnostic& error : errors) {
            std::printf("\t%s\n", error.text().c_str());
        }
    }
    return 0;
}
