// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <tl/expected.hpp>

#include <string>
#include <string_view>
#include <system_error>

namespace rseq {

/// Why something failed, in words that an administrator can act on.
struct Error {
    /// The errno that says what kind of failure it is; EINVAL, EPROTO and the like for our own
    /// checks.
    int code = 0;
    /// What was attempted and with what, without the text of `code`: "cannot read /proc/1/stat".
    std::string context;

    /// `context: text of code`.
    [[nodiscard]] std::string message() const;
};

/// The value or the reason why there is none. A caller that drops it says so with a cast to void.
template <class T>
using Result = tl::expected<T, Error>;

/// An Error with the given errno, ready to be returned as any Result.
[[nodiscard]] tl::unexpected<Error> fail(int code, std::string context);

/// The same for the errno of the call that has just failed.
[[nodiscard]] tl::unexpected<Error> fail_errno(std::string context);

/// "EBUSY"; "errno 4711" for a number that has no name.
[[nodiscard]] std::string errno_name(int error);

} // namespace rseq
