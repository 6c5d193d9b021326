// SPDX-License-Identifier: GPL-2.0-or-later
#include "explain/process_text.h"
#include "fuzz.h"

#include <algorithm>
#include <string>

using namespace rseq::explain;
using namespace std::string_literals;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string environment(text_of(data, size));
    const auto told = rseq_tunable(environment);
    if (told) {
        const auto variable = environment.find("GLIBC_TUNABLES=");
        require(variable != std::string::npos, "the variable is there");
        require(environment.find("glibc.pthread.rseq=", variable) != std::string::npos,
                "the tunable is there");
    }

    const std::string off = "GLIBC_TUNABLES=glibc.pthread.rseq=0\0"s;
    require(rseq_tunable("A=1\0"s + environment) == told, "other variables change nothing");
    require(rseq_tunable(environment + "\0A=1"s) == told, "other variables change nothing");
    require(rseq_tunable(environment + "\0"s + off) == false, "the last one counts");
    require(rseq_tunable(off + environment) == told.value_or(false), "the last one counts");

    std::string value = environment;
    std::replace(value.begin(), value.end(), '\0', '_');
    require(rseq_tunable("A=" + value) == std::nullopt, "no value is a variable");
    require(rseq_tunable("GLIBC_TUNABLES=glibc.pthread.rseq=1:" + value).value_or(false) ==
                rseq_tunable("GLIBC_TUNABLES=" + value).value_or(true),
            "a tunable is not changed by others");
    return 0;
}
