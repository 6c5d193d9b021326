# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2034
#
# Shared by the tests of packages.

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source-path=SCRIPTDIR source=../../tools/lib.sh
. "$here/../../tools/lib.sh"

# The packages of a suite, with the test kernels if it is trixie: one build serves all tests of packages. $2: the
# revision.
build_packages() {
    local flavours=()
    [[ $1 != trixie ]] || flavours=(--flavour vm-amd64 --flavour tiny-amd64)
    "$top/packaging/build" --suite "$1" --revision "$2" "${flavours[@]}"
}

# A repository with the packages of each folder, signed with a key of its own, below $1; machines find it at
# the URI $2.
make_repository() {
    local dest=$1 uri=$2
    shift 2
    "$top/packaging/repo" --new-key "$dest.key"
    "$top/packaging/repo" --key "$dest.key" --uri "$uri" "$dest" "$@"
}

# One more repository as the first one will be after the next build, signed with its key.
add_to_copy() {
    local from=$1 dest=$2 uri=$3
    shift 3
    cp -r "$from" "$dest"
    "$top/packaging/repo" --key "$from.key" --uri "$uri" "$dest" "$@"
}
