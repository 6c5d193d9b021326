# SPDX-License-Identifier: GPL-2.0-or-later
"""A manual page as its readers see it, for tests that hold other things against it."""
import os
import shutil
import subprocess
import sys
import tempfile

import rseqctl_help as help_

ENTRY_INDENT = 7


def split(text):
    """{heading: [line]} of a rendered page."""
    sections, current = {}, None
    for line in text.splitlines():
        if line and not line.startswith(" "):
            current = sections.setdefault(line.strip(), [])
        elif current is not None:
            current.append(line)
    return sections


def render(page, *options):
    done = subprocess.run(["man", "--warnings", "-E", "UTF-8", *options, "-l", page],
                          capture_output=True, text=True,
                          env=dict(os.environ, MANWIDTH="200", MANPAGER="cat", LC_ALL="C.UTF-8",
                                   MAN_KEEP_FORMATTING=""))
    if done.returncode != 0 or done.stderr:
        print(f"man says: {done.stderr}")
        sys.exit(1)
    return done.stdout


def sections_of(source, comparison):
    """{heading: [line]} of the page that scdoc makes of the source, which must give no warning."""
    for tool in ("scdoc", "man"):
        if not shutil.which(tool):
            help_.skip(f"{tool} is not installed")
    with tempfile.TemporaryDirectory() as scratch:
        page = os.path.join(scratch, os.path.basename(source).removesuffix(".scd"))
        with open(source) as text, open(page, "w") as rendered:
            subprocess.run(["scdoc"], stdin=text, stdout=rendered, check=True)
        render(page, "-Tutf8", "-Z")
        if shutil.which("mandoc"):
            lint = subprocess.run(["mandoc", "-Tlint", "-Werror", page], capture_output=True, text=True)
            if lint.returncode != 0:
                comparison.fail(f"mandoc says: {lint.stdout}")
        return split(render(page))
