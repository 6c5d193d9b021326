# SPDX-License-Identifier: GPL-2.0-or-later
"""For tests that compare what a machine told them: guests print lines of NAME<TAB>VALUE."""


def values(output):
    """What a guest printed, by name."""
    return dict(line.split("\t", 1) for line in output.splitlines() if "\t" in line)


class Checks:
    """Counts what was compared, and prints what differs."""

    def __init__(self):
        self.done = 0
        self.failed = 0

    def equal(self, what, found, expected):
        self.done += 1
        if found != expected:
            self.failed += 1
            print(f"{what}: found {found!r}, expected {expected!r}")

    def result(self):
        """The exit status of the test, after a line that counts."""
        print(f"{self.done - self.failed} of {self.done} comparisons agree")
        return 1 if self.failed else 0
