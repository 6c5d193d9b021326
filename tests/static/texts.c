// SPDX-License-Identifier: GPL-2.0-or-later
// Links the texts of errors, as nearly every program does.
#include <stdio.h>

int main(int argc, char** argv) {
    return printf("%s %d\n", argv[0], argc) < 0;
}
