// SPDX-License-Identifier: GPL-2.0-or-later
#include "core/glob.h"

#include <fnmatch.h>

#include <utility>

namespace rseq {

Glob::Glob(std::string pattern) : pattern_(std::move(pattern)) {
    constexpr std::string_view wildcards = "*?[";
    const std::size_t first = pattern_.find_first_of(wildcards);
    if (pattern_.find('\0') != std::string::npos) {
        kind_ = Kind::nothing;
    } else if (first == std::string::npos) {
        kind_ = Kind::literal;
    } else if (pattern_[first] == '*' &&
               pattern_.find_first_of(wildcards, first + 1) == std::string::npos) {
        kind_ = Kind::head_and_tail;
        head_ = first;
        tail_ = pattern_.size() - first - 1;
    } else {
        kind_ = Kind::general;
        head_ = first;
    }
}

bool Glob::matches(const std::string& text) const {
    switch (kind_) {
    case Kind::literal:
        return text == pattern_;
    case Kind::head_and_tail:
        return text.size() >= head_ + tail_ && text.compare(0, head_, pattern_, 0, head_) == 0 &&
               text.compare(text.size() - tail_, tail_, pattern_, head_ + 1, tail_) == 0;
    case Kind::general:
        // glibc's fnmatch(3) does not go back to earlier asterisks: its time is bounded.
        return text.compare(0, head_, pattern_, 0, head_) == 0 &&
               ::fnmatch(pattern_.c_str(), text.c_str(), FNM_NOESCAPE) == 0;
    case Kind::nothing:
        break;
    }
    return false;
}

} // namespace rseq
