# SPDX-License-Identifier: GPL-2.0-or-later
"""What the live tests of `rseqctl status` share. Each is called with the path of rseqctl and the
folder of the zoo (tests/zoo/zoo.c)."""

import json
import os
import pathlib
import subprocess
import sys
import unittest

RSEQCTL = pathlib.Path(sys.argv[1]).resolve()
ZOO = pathlib.Path(sys.argv[2]).resolve()

SUCCESS, FAILURE, USAGE, UNKNOWN, NOT_FOUND = range(5)
NOBODY = 65534


class Zoo:
    """A process whose threads are registered in a known way; killed at the end."""

    def __init__(self, kind, threads, program="zoo", folder=ZOO, **options):
        self.kind = kind
        self.process = subprocess.Popen([folder / program, kind, str(threads)],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                        **options)
        self.pid = self.process.pid
        self.lengths = {}
        for line in self.process.stdout:
            words = line.split()
            if words == ["ready"]:
                return
            self.lengths[int(words[1])] = None if words[2] == "libc" else int(words[2])
        self.close()
        if self.process.returncode != 77:
            raise RuntimeError(f"zoo {kind} failed with status {self.process.returncode}")
        raise unittest.SkipTest(f"{program} {kind} is not offered here")

    def close(self):
        if self.process.stdin:
            self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.close()


def run(*arguments, program=RSEQCTL, **options):
    """Runs `rseqctl status ARGUMENTS...`; text is left as bytes, for it may be hostile."""
    options.setdefault("stdout", subprocess.PIPE)
    return subprocess.run([program, "status", *map(str, arguments)], stdin=subprocess.DEVNULL,
                          stderr=subprocess.PIPE, timeout=100, check=False, **options)


def document(*arguments, **options):
    """The document that --json prints, which has to be valid."""
    done = run("--json=short", *arguments, **options)
    if done.returncode != SUCCESS or done.stderr:
        raise AssertionError(f"status {done.returncode}: {done.stderr!r}")
    return json.loads(done.stdout.decode("utf-8"))


def processes(*arguments, **options):
    return {row["pid"]: row for row in document(*arguments, **options)["processes"]}


def threads(*arguments, **options):
    return {row["tid"]: row for row in document("--threads", *arguments, **options)["threads"]}


def numbers_in_proc():
    return {int(name) for name in os.listdir("/proc") if name.isdigit()}


def thread_states(pid):
    """The state letter and the tracer of each thread."""
    states = {}
    for tid in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{tid}/status", encoding="utf-8", errors="replace") as file:
            fields = dict(line.split(":", 1) for line in file if ":" in line)
        states[int(tid)] = (fields["State"].split()[0], int(fields["TracerPid"]))
    return states


class LiveTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        if os.geteuid() != 0:
            raise unittest.SkipTest("needs root")


def main():
    """Runs the tests of the calling module; exit status 77 if all of them were skipped."""
    program = unittest.main(argv=sys.argv[:1], exit=False, verbosity=2)
    for test, reason in program.result.skipped:
        print(f"SKIPPED: {test}: {reason}", file=sys.stderr)
    if not program.result.wasSuccessful():
        sys.exit(1)
    sys.exit(77 if len(program.result.skipped) >= max(1, program.result.testsRun) else 0)
