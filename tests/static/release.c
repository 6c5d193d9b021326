// SPDX-License-Identifier: GPL-2.0-or-later
// Asks for glibc's release, which links its description of itself.
#include <gnu/libc-version.h>

int main(void) {
    return gnu_get_libc_version()[0] != '2';
}
