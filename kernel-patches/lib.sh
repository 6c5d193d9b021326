# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2034
#
# Shared by fetch, apply and build: where things are in the cache and what they are keyed by.
# A key is a hash of everything that went into a folder, so a folder that exists is complete and right.

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
top=$(dirname "$here")
kernel_version=7.3
patches=$here/$kernel_version
kernel_cache=${XDG_CACHE_HOME:-$HOME/.cache}/rseq-compat/kernel
suite=trixie-backports
flavours=(vm-amd64 vm-debug-amd64 cloud-amd64 amd64)

fail() {
    echo "${0##*/}: $*" >&2
    exit 1
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

# The first 12 digits of the hash of standard input.
short_hash() {
    sha256sum | cut -c1-12
}

# Runs the function $2 with the folder $1.new, made empty, and renames that to $1 when it succeeded.
# Does nothing if $1 is there. One maker at a time; the others wait.
make_once() {
    local dir=$1 make=$2
    shift 2
    [[ -d $dir ]] && return
    mkdir -p "$(dirname "$dir")"
    exec 8>"$dir.lock"
    flock 8
    if [[ ! -d $dir ]]; then
        rm -rf "$dir.new"
        mkdir "$dir.new"
        "$make" "$dir.new" "$@"
        mv -T "$dir.new" "$dir"
    fi
    exec 8>&-
}

# The patches of the series in order, full paths, one a line; nothing if there is no series yet.
series_patches() {
    local line
    [[ -e $patches/series ]] || return 0
    while read -r line; do
        line=${line%%#*}
        line=${line%"${line##*[![:space:]]}"}
        [[ -n $line ]] || continue
        [[ -r $patches/$line ]] || fail "$patches/series: $line: no such patch"
        echo "$patches/$line"
    done <"$patches/series"
}

# What makes builds repeat, and go through the compiler cache, wherever the tree is. $1: the source.
kernel_environment() {
    export CCACHE_DIR=${kernel_cache%/kernel}/ccache CCACHE_NOHASHDIR=1 CCACHE_MAXSIZE=8G
    KBUILD_BUILD_TIMESTAMP=$(LC_ALL=C date -u -d "@$(stat -c %Y "$1/Makefile")")
    export KBUILD_BUILD_TIMESTAMP KBUILD_BUILD_USER=rseq-compat KBUILD_BUILD_HOST=build KBUILD_BUILD_VERSION=1
}
