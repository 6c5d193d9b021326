# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2034
#
# Shared by the scripts of this folder.

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source-path=SCRIPTDIR source=../../tools/lib.sh
. "$here/../../tools/lib.sh"

# What run itself exits with when the machine, and not the command in it, went wrong.
vm_failed=125
fail_status=$vm_failed

# Unpacks the packages of the kernel $2 into the folder $1, as find_kernel and run want them: vmlinuz, config and
# lib/modules. Brings the two layouts of Debian, files in /boot and in /usr/lib/modules, to one.
unpack_kernel() {
    local dir=$1 release=$2 deb modules
    shift 2
    for deb; do
        dpkg-deb -x "$deb" "$dir/unpacked"
    done
    modules=$dir/unpacked/usr/lib/modules/$release
    [[ -d $modules ]] || modules=$dir/unpacked/lib/modules/$release
    [[ -d $modules ]] || fail "$release: no modules in its packages"
    mkdir -p "$dir/lib/modules"
    mv "$modules" "$dir/lib/modules/"
    modules=$dir/lib/modules/$release
    cp "$(first_of "$dir/unpacked/boot/vmlinuz-$release" "$modules/vmlinuz")" "$dir/vmlinuz"
    cp "$(first_of "$dir/unpacked/boot/config-$release" "$modules/config")" "$dir/config"
    rm -rf "$dir/unpacked"
    depmod -b "$dir" "$release"
}

first_of() {
    local file
    for file; do
        if [[ -f $file ]]; then
            echo "$file"
            return
        fi
    done
    fail "none of these is in the packages: $*"
}
