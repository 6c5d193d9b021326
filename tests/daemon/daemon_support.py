# SPDX-License-Identifier: GPL-2.0-or-later
"""What the live tests of rseq-compatd share. Each is called with the folder of the build: the daemon
runs for real, on this kernel, with a message bus of its own."""

import contextlib
import ctypes
import json
import os
import pathlib
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import unittest

BUILD = pathlib.Path(sys.argv[1]).resolve()
DAEMON = BUILD / "daemon/rseq-compatd"
RSEQCTL = BUILD / "cli/rseqctl"
HERD = BUILD / "tests/daemon/herd"
STORM = BUILD / "tests/daemon/storm"
ZOO_PROGRAM = BUILD / "tests/zoo/zoo"
HEADER = pathlib.Path(__file__).resolve().parent.parent.parent / "daemon/message_ids.h"
TRACEFS = pathlib.Path("/sys/kernel/tracing")
INSTANCE = "rseq-compat-test"
JOURNAL_SOCKET = pathlib.Path("/run/systemd/journal/socket")
# A deadline is for a test that hangs; nothing is judged by how long it took.
DEADLINE = 120

BUS_CONFIG = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>system</type>
  <listen>unix:path={folder}/bus</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow user="*"/>
    <allow own="org.rseqcompat1"/>
    <allow send_type="method_call"/>
    <allow send_type="signal"/>
    <allow send_requested_reply="true" send_type="method_return"/>
    <allow send_requested_reply="true" send_type="error"/>
    <allow receive_type="method_call"/>
    <allow receive_type="method_return"/>
    <allow receive_type="error"/>
    <allow receive_type="signal"/>
  </policy>
</busconfig>
"""


def message_ids():
    """The IDs by name, from the one place that has them."""
    ids = {}
    for line in HEADER.read_text(encoding="ascii").splitlines():
        words = line.split()
        if words[:2] == ["inline", "constexpr"]:
            ids[words[3]] = words[5].strip('";')
    return ids


def wait_for(what, condition):
    """What the condition returns once that is true."""
    end = time.monotonic() + DEADLINE
    while not (found := condition()):
        if time.monotonic() > end:
            raise AssertionError(f"waited in vain for {what}")
        time.sleep(0.02)
    return found


def parse_entry(data):
    """One entry of the journal's native protocol (https://systemd.io/JOURNAL_NATIVE_PROTOCOL)."""
    fields = {}
    while data:
        line, _, data = data.partition(b"\n")
        name, separator, value = line.partition(b"=")
        if not separator:
            length, = struct.unpack_from("<Q", data)
            value, data = data[8:8 + length], data[9 + length:]
        fields[name.decode()] = value.decode(errors="surrogateescape")
    return fields


class RealJournal:
    """What journald has kept since this was made."""

    def __init__(self):
        self.since = f"@{time.time():.6f}"

    def of(self, kind):
        """The entries of one kind, by the name of its MESSAGE_ID."""
        done = subprocess.run(["journalctl", "--sync"], check=False)
        done = subprocess.run(["journalctl", "-q", "-o", "json", "--since", self.since,
                               f"MESSAGE_ID={message_ids()[kind]}"],
                              stdout=subprocess.PIPE, check=True)
        return [json.loads(line) for line in done.stdout.splitlines()]

    def close(self):
        pass


def journal():
    """The journal of this machine, or what stands in for it."""
    with contextlib.closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as probe:
        try:
            probe.connect(str(JOURNAL_SOCKET))
            return RealJournal()
        except FileNotFoundError:
            pass
        except ConnectionRefusedError: # left behind
            JOURNAL_SOCKET.unlink()
    return StandInJournal()


class StandInJournal:
    """Keeps what is sent to the socket of journald where none runs."""

    def __init__(self):
        JOURNAL_SOCKET.parent.mkdir(parents=True, exist_ok=True)
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(JOURNAL_SOCKET))
        self.entries = []
        self.thread = threading.Thread(target=self.receive, daemon=True)
        self.thread.start()

    def receive(self):
        while True:
            data, control, _, _ = self.socket.recvmsg(1 << 20, 256)
            if data == b"stop":
                return
            for _, _, fds in control:
                fd, = struct.unpack("i", fds[:4])
                with os.fdopen(fd, "rb") as file:
                    file.seek(0)
                    data = file.read()
            self.entries.append(parse_entry(data))

    def of(self, kind):
        """The entries of one kind, by the name of its MESSAGE_ID."""
        wanted = message_ids()[kind]
        return [entry for entry in self.entries if entry.get("MESSAGE_ID") == wanted]

    def close(self):
        with contextlib.closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as sender:
            sender.sendto(b"stop", str(JOURNAL_SOCKET))
        self.thread.join()
        self.socket.close()
        JOURNAL_SOCKET.unlink()


class Bus:
    """A message bus that only this test uses."""

    def __init__(self, folder):
        self.address = f"unix:path={folder}/bus"
        config = pathlib.Path(folder) / "bus.conf"
        config.write_text(BUS_CONFIG.format(folder=folder), encoding="ascii")
        self.process = subprocess.Popen(["dbus-daemon", f"--config-file={config}", "--nofork"],
                                        stderr=subprocess.DEVNULL)
        wait_for("the bus", (pathlib.Path(folder) / "bus").exists)

    def close(self):
        self.process.kill()
        self.process.wait()


def die_with_parent():
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


class Daemon:
    """rseq-compatd, ready. What it logs goes to the file `log` of the folder."""

    def __init__(self, bus, folder, settings="", wrapper=()):
        self.folder = pathlib.Path(folder)
        self.bus = bus
        self.log_path = self.folder / "log"
        self.root = self.folder / "root"
        (self.root / "etc/rseq-compat").mkdir(parents=True, exist_ok=True)
        self.configure(settings)
        self.wrapper = list(wrapper)
        self.process = None
        self.start()

    def configure(self, settings):
        file = self.root / "etc/rseq-compat/rseq-compatd.yaml"
        file.write_text("version: 1\n" + settings, encoding="utf-8")

    def start(self):
        notify_path = self.folder / "notify"
        notify_path.unlink(missing_ok=True)
        with contextlib.closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as notify:
            notify.bind(str(notify_path))
            notify.settimeout(1)
            environment = dict(os.environ, DBUS_SYSTEM_BUS_ADDRESS=self.bus.address,
                               NOTIFY_SOCKET=str(notify_path))
            with open(self.log_path, "ab") as log:
                self.process = subprocess.Popen(
                    [*self.wrapper, DAEMON, "--root", self.root, "--instance", INSTANCE],
                    env=environment, stderr=log, preexec_fn=die_with_parent)
            self.wait_ready(notify)

    def wait_ready(self, notify):
        end = time.monotonic() + DEADLINE
        while time.monotonic() < end:
            if self.process.poll() is not None:
                raise AssertionError(f"rseq-compatd ended with {self.process.returncode}: "
                                     f"{self.log()}")
            with contextlib.suppress(TimeoutError):
                if b"READY=1" in notify.recv(4096).split(b"\n"):
                    return
        raise AssertionError(f"rseq-compatd does not get ready: {self.log()}")

    def log(self):
        return self.log_path.read_text(encoding="utf-8", errors="replace")

    @property
    def pid(self):
        return self.process.pid

    def environment(self):
        return dict(os.environ, DBUS_SYSTEM_BUS_ADDRESS=self.bus.address)

    def rseqctl(self, *arguments, **options):
        return subprocess.run([RSEQCTL, *map(str, arguments)], env=self.environment(),
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, timeout=DEADLINE, check=False, **options)

    def status(self, *arguments):
        """The document of `rseqctl status`, from the daemon."""
        done = self.rseqctl("status", "--json=short", *arguments)
        if done.returncode != 0 or done.stderr:
            raise AssertionError(f"status {done.returncode}: {done.stderr!r}")
        return json.loads(done.stdout.decode())

    def property(self, name):
        done = subprocess.run(["busctl", f"--address={self.bus.address}", "--json=short",
                               "get-property", "org.rseqcompat1", "/org/rseqcompat1",
                               "org.rseqcompat1.Manager", name],
                              stdout=subprocess.PIPE, check=True, timeout=DEADLINE)
        return json.loads(done.stdout)["data"]

    def stop(self):
        self.process.terminate()
        status = self.process.wait(DEADLINE)
        if status != 0:
            raise AssertionError(f"rseq-compatd ended with {status}: {self.log()}")

    def kill(self):
        self.process.kill()
        self.process.wait()


def by_identity(document, row="processes", key="pid"):
    return {(one[key], one.get("start_ticks")): one for one in document[row]}


# What has to be the same whoever is asked. The source and what cannot be known by events is not.
COMPARED = ("comm", "mode", "threads", "slice", "slice_enabled", "policy")


def differences(daemon):
    """What the daemon says against what the kernel says: by looks at both in turns. A process that
    ends, starts or changes between two looks at the kernel says nothing and is left out; one that the
    daemon shows before and after a look at the kernel has to be there."""
    before = by_identity(daemon.status("--direct"))
    told = by_identity(daemon.status())
    after = by_identity(daemon.status("--direct"))
    told_again = by_identity(daemon.status())
    steady = {key for key in before.keys() & after.keys()
              if all(before[key][name] == after[key][name] for name in COMPARED)}
    found = []
    for key in steady:
        # What a BPF iterator does not show is unknown, and events may know better.
        if before[key]["mode"] == "unknown":
            continue
        if key not in told:
            found.append(f"{key} {before[key]['comm']}: not known to the daemon")
            continue
        for name in COMPARED:
            if told[key][name] != before[key][name]:
                found.append(f"{key} {before[key]['comm']}: {name}: the daemon says "
                             f"{told[key][name]!r}, the kernel {before[key][name]!r}")
    found += [f"{key} {told[key]['comm']}: only known to the daemon"
              for key in (told.keys() & told_again.keys()) - after.keys()]
    return found, len(steady)


class DaemonTest(unittest.TestCase):
    """A bus, a journal and a daemon for each test."""
    settings = ""
    wrapper = ()

    def setUp(self):
        if os.geteuid() != 0:
            self.skipTest("needs root")
        if not (TRACEFS / "instances").exists():
            if subprocess.run(["mount", "-t", "tracefs", "tracefs", TRACEFS],
                              check=False).returncode != 0:
                self.skipTest("tracefs cannot be mounted")
        self.folder = self.enterContext(tempfile.TemporaryDirectory())
        self.journal = journal()
        self.addCleanup(self.journal.close)
        self.bus = Bus(self.folder)
        self.addCleanup(self.bus.close)
        self.daemon = Daemon(self.bus, self.folder, self.settings, self.wrapper)
        self.addCleanup(self.end_daemon)

    def end_daemon(self):
        if self.daemon.process.poll() is None:
            self.daemon.stop()
        self.assertFalse((TRACEFS / "instances" / INSTANCE).exists(), "an instance was left behind")

    def assert_agrees(self):
        """The registry equals a fresh scan."""
        found, compared = differences(self.daemon)
        self.assertEqual(found, [])
        self.assertGreater(compared, 0)
        return compared


class Zoo:
    """tests/zoo/zoo.c."""

    def __init__(self, kind, threads):
        self.process = subprocess.Popen([ZOO_PROGRAM, kind, str(threads)], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)
        self.pid = self.process.pid
        for line in self.process.stdout:
            if line == "ready\n":
                return
        self.close()
        raise unittest.SkipTest(f"zoo {kind} is not offered here")

    def close(self):
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.close()


class Herd:
    """tests/daemon/herd.c."""

    def __init__(self, v1, v2, violating):
        self.process = subprocess.Popen([HERD, str(v1), str(v2), str(violating)],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                        preexec_fn=die_with_parent)
        self.members = []
        self.seconds = None
        for line in self.process.stdout:
            kind, value = line.split()
            if kind == "ready":
                self.seconds = float(value)
                return
            self.members.append((kind, int(value)))
        self.close()
        if self.process.returncode == 77:
            raise unittest.SkipTest("this kernel has no v2")
        raise AssertionError(f"herd failed with status {self.process.returncode}")

    def close(self):
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.close()


def main():
    """Runs the tests of the calling module; exit status 77 if all of them were skipped."""
    program = unittest.main(argv=sys.argv[:1], exit=False, verbosity=2)
    for test, reason in program.result.skipped:
        print(f"SKIPPED: {test}: {reason}", file=sys.stderr)
    if not program.result.wasSuccessful():
        sys.exit(1)
    sys.exit(77 if len(program.result.skipped) >= max(1, program.result.testsRun) else 0)
