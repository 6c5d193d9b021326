# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2034
#
# Shared by the scripts that build kernels and run machines: complaints, the cache, and what packages depend on.

# A function that is called in $(...) ends at its first error too.
shopt -s inherit_errexit
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/rseq-compat

# What fail exits with.
fail_status=1

fail() {
    echo "${0##*/}: $*" >&2
    exit "$fail_status"
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

# A folder of the cache is named after a hash of everything that went into it, so one that exists is
# complete and right. Runs the function $2 with the folder $1.new, made empty, and renames that to $1
# when it succeeded. One maker at a time; the others wait. A folder that is there is only marked as
# used, for prune.
make_once() {
    local dir=$1 make=$2
    shift 2
    mkdir -p "$(dirname "$dir")"
    if [[ ! -d $dir ]]; then
        exec 8>"$dir.lock"
        flock 8
        if [[ ! -d $dir ]]; then
            rm -rf "$dir.new"
            mkdir "$dir.new"
            "$make" "$dir.new" "$@"
            mv -T "$dir.new" "$dir"
        fi
        exec 8>&-
    fi
    touch "$dir"
}

# Removes from the folder $1 what make_once put there and nobody has used for $2 days.
prune() {
    local dir=$1 days=$2 old
    [[ -d $dir ]] || return 0
    while IFS= read -r -d '' old; do
        note "removing $old: not used for $days days"
        # Out of the way first: nobody may find half of it.
        rm -rf "$old.old"
        mv -T "$old" "$old.old"
        rm -rf "$old.old" "$old.lock"
    done < <(find "$dir" -mindepth 1 -maxdepth 1 -type d -mtime "+$((days - 1))" -print0)
}

# What the .deb files depend on and is none of them: first alternatives, one a line.
foreign_dependencies() {
    local deb own=() name
    mapfile -t own < <(for deb in "$@"; do dpkg-deb -f "$deb" Package; done)
    for deb; do
        # shellcheck disable=SC2016 # for dpkg-deb
        dpkg-deb --showformat='${Pre-Depends}, ${Depends}\n' -W "$deb"
    done | tr ',' '\n' | sed -E 's/^ +//; s/[ :|(].*//' | sort -u | while read -r name; do
        [[ -z $name || " ${own[*]} " == *" $name "* ]] || echo "$name"
    done
}
