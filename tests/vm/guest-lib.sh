# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=dash
#
# For scripts that run in the machine, under busybox: processes of the zoo in known states.

cgroups=/sys/fs/cgroup

# keep NAME KIND THREADS [CGROUP]: starts `zoo KIND THREADS`, in that cgroup, and returns when it is
# ready. Its number is in /run/zoo/NAME.pid, what it printed in /run/zoo/NAME.
keep() {
    local tries=0
    mkdir -p /run/zoo
    mkfifo "/run/zoo/$1.stdin"
    sh -c 'echo $$ >/run/zoo/$1.pid
        if [ -n "$4" ]; then echo $$ >"$4/cgroup.procs" || exit 1; fi
        exec zoo "$2" "$3"' keep "$1" "$2" "$3" "${4:-}" <"/run/zoo/$1.stdin" >"/run/zoo/$1" &
    # Whoever holds the other end keeps the process alive: this shell, until it ends.
    sleep 1000 >"/run/zoo/$1.stdin" &
    until grep -qx ready "/run/zoo/$1"; do
        tries=$((tries + 1))
        if [ "$tries" -gt 300 ]; then
            echo "zoo $2 did not get ready" >&2
            exit 1
        fi
        sleep 0.1
    done
}

# policy NAME LINE...: a cgroup with these lines written to its cgroup.rseq.
policy() {
    local dir="$cgroups/$1"
    shift
    mkdir "$dir"
    for line; do
        echo "$line" >"$dir/cgroup.rseq"
    done
    echo "$dir"
}
