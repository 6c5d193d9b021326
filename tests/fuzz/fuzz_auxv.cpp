// SPDX-License-Identifier: GPL-2.0-or-later
#include "explain/process_text.h"
#include "fuzz.h"

#include <cerrno>
#include <cstring>
#include <optional>
#include <string>
#include <vector>

using namespace rseq::explain;

namespace {

constexpr unsigned at_secure = 23;
constexpr unsigned at_rseq_feature_size = 27;

template <class Word>
void add(std::string& bytes, Word type, Word value) {
    bytes.append(reinterpret_cast<const char*>(&type), sizeof(type));
    bytes.append(reinterpret_cast<const char*>(&value), sizeof(value));
}

/// The last value of the entry, as another way of reading the vector finds it; `ends` is whether
/// there is an end, with nothing before it that the kernel does not write.
template <class Word>
std::optional<std::uint64_t> last_value(std::string_view bytes, Word type, bool& ends) {
    std::vector<Word> words(bytes.size() / sizeof(Word) + 1); // one more: memcpy wants a place
    std::memcpy(words.data(), bytes.data(), (words.size() - 1) * sizeof(Word));
    std::optional<std::uint64_t> value;
    ends = false;
    for (std::size_t i = 0; i + 2 < words.size() && words[i] <= 1024; i += 2) {
        if (words[i] == 0) {
            ends = true;
            break;
        }
        value = words[i] == type ? words[i + 1] : value;
    }
    return value;
}

void check_accepted(std::string_view bytes, const Auxv& auxv) {
    bool ends = false;
    auto size = last_value<std::uint64_t>(bytes, at_rseq_feature_size, ends);
    auto secure = last_value<std::uint64_t>(bytes, at_secure, ends);
    if (!ends) {
        size = last_value<std::uint32_t>(bytes, at_rseq_feature_size, ends);
        secure = last_value<std::uint32_t>(bytes, at_secure, ends);
    }
    require(ends, "a vector has an end");
    require(auxv.rseq_feature_size == size, "the size is that of its entry");
    require(auxv.secure == (secure.value_or(0) != 0), "secure is what is not 0");
}

template <class Word>
void check_value(Word value) {
    std::string bytes;
    add<Word>(bytes, at_secure, value);
    add<Word>(bytes, at_rseq_feature_size, value);
    add<Word>(bytes, 0, 0);
    const auto auxv = parse_auxv(bytes);
    require(auxv && auxv->rseq_feature_size == value, "any value comes through");
    require(auxv->secure == (value != 0), "secure is what is not 0");
    require(!auxv->rseq_align, "what is not there is not known");
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view bytes = text_of(data, size);
    const auto auxv = parse_auxv(bytes);
    if (!auxv) {
        require(auxv.error().code == EPROTO, "what is no auxv is EPROTO");
    } else {
        check_accepted(bytes, *auxv);
    }
    if (size >= sizeof(std::uint64_t)) {
        std::uint64_t value = 0;
        std::memcpy(&value, data, sizeof(value));
        check_value<std::uint64_t>(value);
        check_value<std::uint32_t>(static_cast<std::uint32_t>(value));
    }
    return 0;
}
