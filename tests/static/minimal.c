// SPDX-License-Identifier: GPL-2.0-or-later
// What a C library links into every program.
int main(void) {
    return 0;
}
