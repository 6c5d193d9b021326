# SPDX-License-Identifier: GPL-2.0-or-later
"""What the program itself says of its verbs and options, for tests that hold other lists against it."""
import re
import subprocess
import sys

SKIPPED = 77


def skip(reason):
    print(f"SKIPPED: {reason}")
    sys.exit(SKIPPED)


def read_help(program, verb=None):
    """The names in the sections of --help: {"Options": {name: argument or ""}, "Subcommands": ...}.

    `-h,--help` counts as two options. Options with a list of values after a colon in their
    description have it in "Values": {name: [value]}.
    """
    words = [program, *(verb or "").split(), "--help"]
    text = subprocess.run(words, check=True, capture_output=True, text=True).stdout
    sections = {"Options": {}, "Subcommands": {}, "Positionals": {}, "Values": {}}
    current = None
    for line in text.splitlines():
        if heading := re.fullmatch(r"(\w+):", line):
            current = sections.setdefault(heading[1], {})
        elif entry := re.match(r"  (\S+)(?: (\S+))?(?:  +(.*)|$)", line):
            for name in entry[1].split(","):
                current[name] = entry[2] or ""
                if name.startswith("-") and ": " in (entry[3] or ""):
                    values = entry[3].rpartition(": ")[2]
                    sections["Values"][name] = re.split(r", | or ", values)
    if "--help" not in sections["Options"]:
        raise ValueError(f"{' '.join(words)} is not understood:\n{text}")
    return sections


def verbs_of(program, above=None):
    """The verbs that can be given next: behind the verb `above`, or first."""
    verbs = list(read_help(program, above)["Subcommands"])
    if not verbs and not above:
        raise ValueError(f"{program} --help names no verb")
    return verbs


def whole_verbs_of(program):
    """Everything that does something: "status", "policy list"."""
    whole = []
    for verb in verbs_of(program):
        whole += [f"{verb} {second}" for second in verbs_of(program, verb)] or [verb]
    return whole


class Comparison:
    """Collects differences between two lists; finish() prints them and ends the test."""

    def __init__(self):
        self.failures = 0
        self.compared = 0

    def expect(self, what, wanted, found):
        """Compares as sets, in both directions."""
        wanted, found = set(wanted), set(found)
        self.compared += 1
        for name in sorted(wanted - found, key=str):
            self.fail(f"{what}: missing: {name}")
        for name in sorted(found - wanted, key=str):
            self.fail(f"{what}: not in rseqctl: {name}")

    def fail(self, message):
        print(message)
        self.failures += 1

    def finish(self):
        if not self.compared:
            self.fail("nothing was compared")
        print(f"{self.compared} lists compared, {self.failures} differences")
        sys.exit(1 if self.failures else 0)
