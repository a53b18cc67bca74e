# SPDX-License-Identifier: BSD-3-Clause
"""Commands, inside a namespace or not, and waiting for something to become true."""

import subprocess
import time
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[3]


class CommandFailed(Exception):
    def __init__(self, command, done):
        text = (done.stderr or "").strip() or (done.stdout or "").strip()
        super().__init__(f"{' '.join(map(str, command))}: exit status {done.returncode}: {text}")


def run(*command, timeout_s=60, check=True, **options):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=timeout_s, **options)
    if check and done.returncode != 0:
        raise CommandFailed(command, done)
    return done


def wait_for(what, condition, timeout_s=20.0, interval_s=0.1):
    """Returns the first true value of condition(); fails naming what was waited for."""
    deadline = time.monotonic() + timeout_s
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {timeout_s:.0f} s in vain for {what}")
        time.sleep(interval_s)
