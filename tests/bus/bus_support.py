# SPDX-License-Identifier: GPL-2.0-or-later
"""What the tests of the daemon's side of the bus share: a message bus of their own with the policy of
the system bus and ours, the server with made-up processes, an authority instead of polkit. Each test
is called with the path of bus_server."""

import contextlib
import os
import pathlib
import queue
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import unittest

from dbus_client import CALL, DRIVER, Connection, Variant

TOP = pathlib.Path(__file__).resolve().parents[2]
SERVER = pathlib.Path(sys.argv[1]).resolve()
NAME, OBJECT, MANAGER = "org.rseqcompat1", "/org/rseqcompat1", "org.rseqcompat1.Manager"
LOG_OBJECT, LOG = "/org/freedesktop/LogControl1", "org.freedesktop.LogControl1"
PROPERTIES, INTROSPECTABLE = "org.freedesktop.DBus.Properties", "org.freedesktop.DBus.Introspectable"
POLKIT = ("org.freedesktop.PolicyKit1", "/org/freedesktop/PolicyKit1/Authority",
          "org.freedesktop.PolicyKit1.Authority")
NOBODY = 65534
# A deadline is for a test that hangs; nothing is judged by how long it took.
DEADLINE = 60

# The default policy and the limits of the system bus (dbus-daemon(1)), and the rules that polkit's
# own file has.
CONFIG = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>system</type>
  <listen>unix:path={socket}</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow user="*"/>
    <deny own="*"/>
    <deny send_type="method_call"/>
    <allow send_type="signal"/>
    <allow send_requested_reply="true" send_type="method_return"/>
    <allow send_requested_reply="true" send_type="error"/>
    <allow receive_type="method_call"/>
    <allow receive_type="method_return"/>
    <allow receive_type="error"/>
    <allow receive_type="signal"/>
    <allow send_destination="org.freedesktop.DBus"/>
    <deny send_destination="org.freedesktop.DBus"
          send_interface="org.freedesktop.DBus.Debug.Stats"/>
    <allow send_destination="org.freedesktop.PolicyKit1"/>
  </policy>
  <policy user="root">
    <allow own="org.freedesktop.PolicyKit1"/>
    {stats}
  </policy>
  <include>{policy}</include>
  {limits}
</busconfig>
"""
STATS = '<allow send_destination="org.freedesktop.DBus" send_interface="org.freedesktop.DBus.Debug.Stats"/>'


class Bus:
    """A dbus-daemon of its own, which can be stopped and started again."""

    def __init__(self, stats=True, **limits):
        self.folder = tempfile.TemporaryDirectory()
        os.chmod(self.folder.name, 0o755)
        self.socket = os.path.join(self.folder.name, "bus")
        self.config = os.path.join(self.folder.name, "bus.conf")
        lines = "".join(f'<limit name="{name}">{value}</limit>' for name, value in limits.items())
        with open(self.config, "w", encoding="ascii") as file:
            file.write(CONFIG.format(socket=self.socket, stats=STATS if stats else "", limits=lines,
                                     policy=TOP / "systemd/org.rseqcompat1.conf"))
        self.process = None
        self.start()

    def start(self):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.socket)
        self.process = subprocess.Popen(
            ["dbus-daemon", f"--config-file={self.config}", "--nofork", "--print-address"],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        if not self.process.stdout.readline():
            raise RuntimeError("dbus-daemon does not start")

    def stop(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    def close(self):
        self.stop()
        self.folder.cleanup()

    def connect(self, uid=None, **options):
        return Connection(self.socket, uid, **options)


class Server:
    """bus_server on that bus."""

    def __init__(self, bus, processes=5, threads=3, polkit_timeout_ms=DEADLINE * 1000):
        environment = os.environ | {"DBUS_SYSTEM_BUS_ADDRESS": f"unix:path={bus.socket}"}
        self.process = subprocess.Popen(
            [SERVER, str(processes), str(threads), str(polkit_timeout_ms)], env=environment,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.lines = queue.Queue()
        self.reader = threading.Thread(target=self.read)
        self.reader.start()
        self.told = []
        self.wait("ready")

    def read(self):
        for line in self.process.stdout:
            self.lines.put(line.rstrip("\n"))
        self.lines.put(None)

    def wait(self, wanted):
        """Waits for this line, and keeps the others."""
        while (line := self.lines.get(timeout=DEADLINE)) != wanted:
            if line is None:
                raise RuntimeError(f"bus_server has ended, status {self.process.wait()}")
            self.told.append(line)

    def do(self, command):
        self.process.stdin.write(f"{command}\nsync\n")
        self.process.stdin.flush()
        self.wait("synced")

    def take_told(self):
        """What it was asked to do since."""
        self.do("")
        told, self.told = self.told, []
        return told

    def wants(self, kind):
        self.do(f"wants {kind}")
        return self.told.pop() == "yes"

    def memory(self, key="VmRSS"):
        """In KiB."""
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as file:
            return next(int(line.split()[1]) for line in file if line.startswith(key + ":"))

    def close(self):
        self.process.stdin.close()
        status = self.process.wait(DEADLINE)
        self.reader.join()
        self.process.stdout.close()
        if status != 0:
            raise RuntimeError(f"bus_server ended with status {status}")


class Authority:
    """What polkit is to the daemon. Answers with what `decide(question)` returns: (authorized,
    challenge), an exception to be sent, or None for no answer."""

    def __init__(self, bus, decide):
        self.connection = bus.connect()
        self.connection.own(POLKIT[0])
        self.decide = decide
        self.questions = queue.Queue()
        self.cancelled = queue.Queue()
        self.thread = threading.Thread(target=self.serve)
        self.thread.start()

    def serve(self):
        with contextlib.suppress(ConnectionError, OSError):
            while True:
                call = self.connection.read(DEADLINE)
                if call is None or call.kind != CALL:
                    continue
                if call.member == "CancelCheckAuthorization":
                    self.cancelled.put(call.body[0])
                    continue
                subject, action, details, flags, cancellation = call.body
                question = {"subject": subject, "action": action, "details": details,
                            "flags": flags, "cancellation": cancellation, "sender": call.sender}
                self.questions.put(question)
                answer = self.decide(question)
                if isinstance(answer, Exception):
                    self.connection.reply_error(call, "org.freedesktop.PolicyKit1.Error.Failed",
                                                str(answer))
                elif answer is not None:
                    self.connection.reply(call, "(bba{ss})", (*answer, {}))

    def close(self):
        with contextlib.suppress(OSError):
            self.connection.socket.shutdown(2)
        self.thread.join()
        self.connection.close()


class BusTest(unittest.TestCase):
    """A bus, the server, and a client of root and of nobody."""

    bus_options = {}
    server_options = {}

    @classmethod
    def setUpClass(cls):
        if os.geteuid() != 0:
            raise unittest.SkipTest("needs root, to be a client of another user")
        if not shutil.which("dbus-daemon"):
            raise unittest.SkipTest("dbus-daemon is not installed")

    def setUp(self):
        self.bus = self.enter(Bus(**self.bus_options))
        self.server = self.enter(Server(self.bus, **self.server_options))
        self.root = self.client()
        self.nobody = self.client(NOBODY)

    def enter(self, resource):
        self.addCleanup(resource.close)
        return resource

    def client(self, uid=None):
        return self.enter(self.bus.connect(uid))

    def authority(self, decide):
        return self.enter(Authority(self.bus, decide))

    def error(self, connection, *call, **options):
        """The name of the error that the call of a method of the manager ends with."""
        try:
            manager(connection, *call, **options)
        except Exception as error: # pylint: disable=broad-except
            return getattr(error, "name", repr(error)).rpartition(".")[2]
        return None


def manager(connection, member, *arguments, **options):
    return connection.call(NAME, OBJECT, MANAGER, member, *arguments, **options)


def get(connection, name, interface=MANAGER, path=OBJECT):
    return connection.call(NAME, path, PROPERTIES, "Get", "ss", interface, name)


def get_all(connection):
    return connection.call(NAME, OBJECT, PROPERTIES, "GetAll", "s", MANAGER)


def set_log_level(connection, level, name="LogLevel", **options):
    return connection.call(NAME, LOG_OBJECT, PROPERTIES, "Set", "ssv", LOG, name,
                           Variant("s", level), **options)


def has_owner(connection, name=NAME):
    return connection.call(*DRIVER, "NameHasOwner", "s", name)


def wait_until(condition):
    deadline = time.monotonic() + DEADLINE
    while not (found := condition()):
        if time.monotonic() > deadline:
            raise AssertionError("it never came to be")
        time.sleep(0.01)
    return found


def tables():
    """The tables of docs/DBUS.md by the heading above them: a list of lists of cells each."""
    found, heading = {}, ""
    for line in (TOP / "docs/DBUS.md").read_text(encoding="utf-8").splitlines():
        if line.startswith("#"):
            heading = line.lstrip("# ")
        elif line.startswith("|") and not line.startswith("|---"):
            cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
            found.setdefault(heading, []).append(cells)
    return {heading: rows[1:] for heading, rows in found.items()}


def in_code(cell):
    """What stands between backquotes."""
    return re.findall(r"`([^`]+)`", cell)


def main():
    """Runs the tests of the calling module; exit status 77 if all of them were skipped."""
    program = unittest.main(argv=sys.argv[:1], exit=False, verbosity=2)
    for test, reason in program.result.skipped:
        print(f"SKIPPED: {test}: {reason}", file=sys.stderr)
    if not program.result.wasSuccessful():
        sys.exit(1)
    sys.exit(77 if len(program.result.skipped) >= max(1, program.result.testsRun) else 0)
