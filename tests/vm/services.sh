# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# For the scripts that services.py runs in the machine.

tell() { printf '%s\t%s\n' "$1" "$2"; }
# status_of COMMAND...: its exit status, and what it printed, in one line.
status_of() {
    local status=0 output
    output=$("$@" 2>&1) || status=$?
    echo "$status $output" | tr '\n' ';'
}
