# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2034,SC2154
#
# Emulated machines, for run and run-systemd. Needs lib.sh, and from the arguments of the script: kernel,
# memory, timeout (seconds) and the array allow (--allow REGEX for complaints). Makes the folder work,
# which goes with the script, and sees to it that whoever stops the script stops the machine too.

need qemu-system-x86_64 flock timeout
work=$(mktemp -d)
machine_pid=''
trap '[[ -z $machine_pid ]] || kill "$machine_pid" 2>/dev/null || true; rm -rf "$work"' EXIT
trap 'exit 143' TERM
trap 'exit 130' INT

# A machine that gets to init at all does so in five seconds on an idle host.
boot_limit=120
# A /dev/kvm that exists need not work, so emulation is asked for by name.
threads=(-accel "tcg,thread=multi" -cpu "max,la57=off")
# QEMU's options; the caller begins them.
machine=()
# The same for the ports that bring results back.
ports=()

# Makes kernel, which names a flavour or is a path, the path of a vmlinuz.
find_kernel() {
    [[ $kernel == */* || -e $kernel ]] || kernel=$("$top/kernel-patches/build" "$kernel") || exit "$vm_failed"
    [[ ! -d $kernel ]] || kernel=$kernel/vmlinuz
    [[ -r $kernel ]] || fail "$kernel: no such kernel"
}

# Completes machine; $1: more of the kernel's command line.
set_up() {
    # Measuring the delay loop and testing the timer depend on timely interrupts, which a busy host does
    # not have.
    machine=(qemu-system-x86_64 -machine "q35,sata=off" -m "$memory" -nodefaults -display none -no-reboot
        -kernel "$kernel" "${machine[@]}" -append "console=ttyS0 panic=-1 audit=0 lpj=4000000 no_timer_check $1")
}

# Waits until fewer machines run than there are processors; the turn is held until this script ends, or lets go.
wait_for_turn() {
    local turn
    mkdir -p "$cache"
    while :; do
        for ((turn = 1; turn <= $(nproc); turn++)); do
            exec 7>"$cache/vm.$turn.lock"
            ! flock --nonblock 7 || return 0
        done
        sleep 1
    done
}

# The machine with its console on this terminal.
attend() {
    wait_for_turn
    "${machine[@]}" -serial mon:stdio
}

# What the machine writes to the port rseq-compat.NAME comes to be in the file $work/NAME.
open_ports() {
    local port
    ports=(-device virtio-serial-pci)
    for port; do
        ports+=(-chardev "file,id=$port,path=$work/$port"
            -device "virtserialport,chardev=$port,name=rseq-compat.$port")
    done
}

# Runs the machine until it switches itself off, waiting for its turn first. The console comes to be in
# $work/console; when the kernel has come up, $1 is in it. Sets ended to QEMU's exit status, 124 after a
# time-out, or 200 if the kernel had not come up in time.
boot() {
    wait_for_turn
    # On a busy host an emulated timer can be lost while processors are brought up. A kernel that is at
    # fault hangs a second time.
    boot_once "$1"
    if ((ended == 200)); then
        note "no init after $boot_limit s; the last line was: $(tail -n 1 "$work/console"); booting once more"
        boot_once "$1"
    fi
    flock -u 7
}

boot_once() {
    local mark=$1 started=$SECONDS
    ended=0
    : >"$work/console"
    timeout --kill-after=5 "$timeout" "${machine[@]}" "${ports[@]}" -serial "file:$work/console" \
        </dev/null >"$work/qemu" 2>&1 7>&- &
    machine_pid=$!
    while kill -0 "$machine_pid" 2>/dev/null && ! grep -q "$mark" "$work/console"; do
        if ((SECONDS - started >= boot_limit)); then
            kill "$machine_pid" 2>/dev/null || true
            wait "$machine_pid" || true
            machine_pid=''
            ended=200
            return
        fi
        sleep 0.2
    done
    wait "$machine_pid" || ended=$?
    machine_pid=''
}

trouble() {
    note "$*"
    troubled=1
}

# Says what went wrong with the machine and makes status the exit status to end with: what the port
# of that name brought, or $vm_failed.
judge() {
    troubled=0
    tr -d '\r' <"$work/console" >"$work/log"
    "$here/complaints" "${allow[@]}" "$work/log" || troubled=1
    if ((ended == 200)); then
        trouble "no init after $boot_limit s, twice; the last lines of the kernel's log:"
        tail -n 20 "$work/log" >&2
    elif ((ended == 124 || ended == 137)); then
        trouble "no end after $timeout s; the last lines of the kernel's log:"
        tail -n 20 "$work/log" >&2
    elif ((ended)); then
        trouble "qemu failed with status $ended: $(cat "$work/qemu")"
    fi
    status=''
    [[ ! -e $work/status ]] || status=$(<"$work/status")
    if [[ ! $status =~ ^[0-9]+$ ]]; then
        if ((!troubled)); then
            tail -n 20 "$work/log" >&2
        fi
        trouble "the machine ended without an exit status"
    fi
    ((!troubled)) || status=$vm_failed
}
