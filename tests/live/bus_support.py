# SPDX-License-Identifier: GPL-2.0-or-later
"""A bus of the tests' own, and a daemon on it that answers as it is told (fake_daemon.cpp). Tests of
the real daemon are elsewhere; here it is rseqctl that is tried, with answers that no daemon gives."""

import contextlib
import json
import os
import pathlib
import queue
import shutil
import subprocess
import sys
import tempfile
import threading
import unittest

FAKE = pathlib.Path(sys.argv[3]).resolve()
NAME = "org.rseqcompat1"
# Far more than the five seconds after which rseqctl gives up by itself.
TIME_LIMIT = 100

CONFIGURATION = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <listen>unix:path={folder}/socket</listen>
  <auth>EXTERNAL</auth>
  <servicedir>{folder}/services</servicedir>
  <limit name="service_start_timeout">1000</limit>
  <policy context="default">
    <allow user="*"/>
    <allow own="*"/>
    <allow send_destination="*"/>
    <allow send_type="signal"/>
    <allow receive_sender="*"/>
  </policy>
</busconfig>
"""

# What somebody would see who is served by a bus that starts the daemon when it is asked for.
SERVICE = """[D-BUS Service]
Name={name}
Exec=/bin/touch {folder}/started
"""

# ssh, as far as sd-bus uses it: what it writes goes to the bus of the other machine.
SSH = """#!{python} -ISs
import os, select, socket, sys
print(*sys.argv[1:], file=open("{folder}/ssh-arguments", "a"))
if "unreachable" in sys.argv:
    sys.exit("ssh: Could not resolve hostname unreachable")
bus = socket.socket(socket.AF_UNIX)
bus.connect("{folder}/socket")
while True:
    for source in select.select([0, bus], [], [])[0]:
        data = os.read(0, 65536) if source == 0 else bus.recv(65536)
        if not data:
            sys.exit(0)
        bus.sendall(data) if source == 0 else os.write(1, data)
"""


def collect(stream):
    """A queue that gets each line of the stream, and None at its end."""
    lines = queue.Queue()

    def read():
        with stream:
            for line in stream:
                lines.put(line)
        lines.put(None)

    threading.Thread(target=read, daemon=True).start()
    return lines


class Bus:
    def __init__(self):
        self.folder = tempfile.mkdtemp()
        os.chmod(self.folder, 0o755)
        os.mkdir(f"{self.folder}/services")
        self.path = f"{self.folder}/bin"
        os.mkdir(self.path)
        self.write("services/service.service", SERVICE.format(name=NAME, folder=self.folder))
        self.write("bin/ssh", SSH.format(python=sys.executable, folder=self.folder))
        os.chmod(f"{self.path}/ssh", 0o755)
        configuration = self.write("bus.conf", CONFIGURATION.format(folder=self.folder))
        self.process = subprocess.Popen(
            ["dbus-daemon", f"--config-file={configuration}", "--nofork", "--nopidfile",
             "--nosyslog", "--print-address"], stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL)  # where it complains of limits that it may not raise
        if not self.process.stdout.readline():
            raise RuntimeError("the bus did not start")

    def write(self, name, text):
        path = os.path.join(self.folder, name)
        pathlib.Path(path).write_text(text, encoding="utf-8")
        return path

    def environment(self, address=None):
        """For programs on this machine."""
        return {**os.environ, "LC_ALL": "C.UTF-8", "TZ": "UTC",
                "DBUS_SYSTEM_BUS_ADDRESS": address or f"unix:path={self.folder}/socket"}

    def elsewhere(self):
        """For programs on another machine that reach this one by ssh."""
        return {**self.environment("unix:path=/nonexistent"),
                "PATH": f"{self.path}:{os.environ['PATH']}"}

    def close(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        shutil.rmtree(self.folder)


class Daemon:
    """The one on the bus; answers rightly until told otherwise."""

    def __init__(self, bus, own=True):
        self.process = subprocess.Popen([FAKE], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        env=bus.environment(), text=True)
        self.lines = collect(self.process.stdout)
        self.calls = []
        self.reply("default", {"error": ["org.freedesktop.DBus.Error.UnknownMethod", "No such method"]})
        self.reply("GetAll", properties())
        self.reply("ListProcesses", processes())
        self.reply("ListThreads", threads())
        self.reply("GetProcess", {"values": ["a{sv}", [[]]]})
        self.reply("Subscribe", {"values": ["", []]})
        if own:
            self.tell({"own": NAME})
            assert self.lines.get(timeout=TIME_LIMIT) == "ready\n"

    def tell(self, command):
        self.process.stdin.write(json.dumps(command) + "\n")
        self.process.stdin.flush()

    def reply(self, member, reply):
        self.tell({"reply": member, "to": reply})

    def signal(self, member, values, **options):
        self.tell({"signal": member, "values": values, **options})

    def event(self, *arguments, **options):
        self.signal("Event", event(*arguments, **options))

    def wait_for(self, member):
        """The next call of this method: its arguments and its sender."""
        while True:
            line = self.lines.get(timeout=TIME_LIMIT)
            assert line is not None, f"the daemon ended before a call of {member}"
            call = json.loads(line)
            self.calls.append(call["call"])
            if call["call"] == member:
                return call

    def calls_so_far(self):
        with contextlib.suppress(queue.Empty):
            while (line := self.lines.get(timeout=0.2)) is not None:
                self.calls.append(json.loads(line)["call"])
        return self.calls

    def close(self):
        self.process.kill()
        self.process.wait()
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()


def variants(**values):
    """A dictionary of variants from name=(type, value)."""
    return [[name, list(value)] for name, value in values.items()]


KERNEL = {"release": ("s", "7.3.4-fake"), "class": ("s", "dual"), "class_reason": ("s", "seen"),
          "feature_size": ("u", 33), "alignment": ("u", 64), "slices": ("s", "yes"),
          "slices_reason": ("s", ""), "abi": ("u", 1)}


def properties(kernel=None, **others):
    """The reply of GetAll."""
    members = {"Version": ("s", "9.9.9"), "Kernel": ("a{sv}", variants(**{**KERNEL, **(kernel or {})})),
               "Source": ("s", "procfs"), "Events": ("s", "rseq"), "UnknownReason": ("s", ""),
               "Registrations": ("t", 1), "Processes": ("a{su}", [["v1", 1]]), **others}
    return {"values": ["a{sv}", [variants(**members)]]}


def process(pid, mode="v1", comm=b"fake", cgroup=b"/system.slice/fake.service", counts=None, start=1,
            kernel=False, slice_state="unavailable", policy="auto allow", enabled=0, source="procfs", compliance="", reason=""):
    if counts is None:
        counts = [int(mode == name) for name in ("v1", "v2", "none", "unknown")]
    return [pid, start, kernel, list(comm), list(cgroup), "", mode, slice_state, counts, policy,
            enabled, source, compliance, reason]


def processes(*rows):
    return {"values": ["a(utbayaysss(uuuu)susss)", [list(rows)]]}


def thread(pid, tid, mode="v1", comm=b"fake", length=32, slice_state="unavailable"):
    return [pid, tid, list(comm), mode, length, slice_state]


def threads(*rows):
    return {"values": ["a(uuaysus)", [list(rows)]]}


def event(kind, details=None, pid=4242, tid=4243, comm=b"mongod", unit="mongod.service",
          time=1700000000123456):
    return ["stuuaysa{sv}", [kind, time, pid, tid, list(comm), unit, variants(**(details or {}))]]


class BusTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        if shutil.which("dbus-daemon") is None:
            raise unittest.SkipTest("dbus-daemon is not installed")

    def setUp(self):
        self.bus = Bus()
        self.addCleanup(self.bus.close)

    def start_daemon(self, **options):
        daemon = Daemon(self.bus, **options)
        self.addCleanup(daemon.close)
        return daemon
