// SPDX-License-Identifier: GPL-2.0-or-later
// Without a C library.
void _start(void) {
    for (;;) {
    }
}
