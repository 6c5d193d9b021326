# SPDX-License-Identifier: GPL-2.0-or-later
"""For tests of services: a Debian 13 with the userland of this tree, and programs of policy.c as services."""
import pathlib
import subprocess
import sys
import tempfile

from comparison import values

HERE = pathlib.Path(__file__).resolve().parent


def run_services(script, kernel=None, timeout=900, variables=(), options=()):
    """What the script of this folder told, run by bash with these variables set. Ends the test if the machine
    fails, with 77 where it cannot be tried."""
    chosen = [] if kernel is None else ["--kernel", kernel]
    with tempfile.TemporaryDirectory() as work:
        work = pathlib.Path(work)
        # One without a C library that registers, and one with that of the machine.
        for compiler, name in (("musl-gcc -static", "policy"), ("gcc -pthread", "policy-glibc")):
            subprocess.run([*compiler.split(), "-O2", "-Wall", "-Wextra", "-Werror", "-o", work / name,
                            HERE / "policy.c"], check=True)
        settings = "".join(f"{name}={value}\n" for name, value in variables)
        text = (HERE / script).read_text(encoding="utf-8")
        (work / script).write_text(text.replace("set -euo pipefail\n", f"set -euo pipefail\n{settings}", 1),
                                   encoding="utf-8")
        run = subprocess.run(
            [HERE / "run-systemd", *chosen, *options, "--userland", "--timeout", str(timeout),
             "--add", work / "policy", "--add", work / "policy-glibc", "--add", HERE / "services.sh",
             "--script", work / script],
            stdout=subprocess.PIPE, text=True, errors="replace", check=False)
    if run.returncode == 77:
        print("SKIPPED: an image can be made only by root")
        sys.exit(77)
    if run.returncode != 0:
        sys.exit(f"{script}: the machine failed with status {run.returncode}\n{run.stdout}")
    return values(run.stdout)
