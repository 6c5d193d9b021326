# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2034
#
# Shared by the scripts of this folder.

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
top=$(cd "$here/../.." && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/rseq-compat

# What run itself exits with when the machine, and not the command in it, went wrong.
vm_failed=125

fail() {
    echo "${0##*/}: $*" >&2
    exit "$vm_failed"
}

note() {
    echo "${0##*/}: $*" >&2
}

need() {
    local tool
    for tool; do
        command -v "$tool" >/dev/null || fail "$tool: not found: install the package that has it"
    done
}
