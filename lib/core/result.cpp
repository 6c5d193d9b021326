// SPDX-License-Identifier: GPL-2.0-or-later
#include "core/result.h"

#include <cerrno>
#include <cstring>

namespace rseq {

std::string Error::message() const {
    if (code == 0) {
        return context;
    }
    return context + ": " + std::generic_category().message(code);
}

tl::unexpected<Error> fail(int code, std::string context) {
    return tl::unexpected<Error>(Error{code, std::move(context)});
}

tl::unexpected<Error> fail_errno(std::string context) {
    // The argument was evaluated already, but building a string leaves errno alone unless it fails.
    return fail(errno, std::move(context));
}

std::string errno_name(int error) {
    const char* const name = ::strerrorname_np(error);
    return name != nullptr ? name : "errno " + std::to_string(error);
}

} // namespace rseq
