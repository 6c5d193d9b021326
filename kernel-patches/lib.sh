# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2034
#
# Shared by fetch, apply, check and build: what there is, and where it is in the cache.

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source-path=SCRIPTDIR source=../tools/lib.sh
. "$here/../tools/lib.sh"
kernel_version=7.3
patches=$here/$kernel_version
kernel_cache=$cache/kernel
suite=trixie-backports
flavours=(vm-amd64 vm-debug-amd64 tiny-amd64 cloud-amd64 amd64)

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

# What the release of a packaged flavour ends with: 7.3.4+deb13-rseq1-cloud-amd64. The test flavours that
# are not built for a Debian have it in their fragments. $1: the flavour.
local_version() {
    case $1 in
    vm-*) ;;
    *) echo "+deb13-rseq$(<"$patches/build-number")-$1" ;;
    esac
}

# What makes builds repeat, and go through the compiler cache, wherever the tree is. $1: the source.
kernel_environment() {
    export CCACHE_DIR=$cache/ccache CCACHE_NOHASHDIR=1 CCACHE_MAXSIZE=8G
    KBUILD_BUILD_TIMESTAMP=$(LC_ALL=C date -u -d "@$(stat -c %Y "$1/Makefile")")
    export KBUILD_BUILD_TIMESTAMP KBUILD_BUILD_USER=rseq-compat KBUILD_BUILD_HOST=build KBUILD_BUILD_VERSION=1
}
