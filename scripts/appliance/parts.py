# SPDX-License-Identifier: BSD-3-Clause
"""The three processes of a gateway as parts that can be started, awaited and ended. Used by the supervisor's only thread."""

import os
import signal
import subprocess
import time
from pathlib import Path


def in_netns(netns, command):
    """Keeps the mount namespace (unlike `ip netns exec`), so that namespaces made inside are seen everywhere."""
    return ["nsenter", f"--net=/run/netns/{netns}", "--", *command] if netns else command


def start_ticks(pid):
    """When the process started; with the pid this names a process for good. None: gone (or a zombie)."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else fields[19]


def write_pid(path, pid):
    path.write_text(f"{pid} {start_ticks(pid)}\n")


def read_pid(path):
    """The pid in the file if that very process still runs."""
    try:
        pid, ticks = path.read_text().split()
    except (OSError, ValueError):
        return None
    return int(pid) if start_ticks(pid) == ticks else None


def end(pid, patience_s):
    """SIGTERM, then SIGKILL. For a process that needn't be our child."""
    for number, wait_s in ((signal.SIGTERM, patience_s), (signal.SIGKILL, 5)):
        try:
            os.kill(pid, number)
            os.kill(pid, signal.SIGCONT)
        except ProcessLookupError:
            return
        deadline = time.monotonic() + wait_s
        while start_ticks(pid) and time.monotonic() < deadline:
            time.sleep(0.02)
        if not start_ticks(pid):
            return


class Part:
    STEADY_S = 5.0  # one that lived this long is restarted at once
    LONGEST_PAUSE_S = 30.0

    def __init__(self, name, run_dir, command, only_first=()):
        self.name = name
        self.command = command
        self.only_first = list(only_first)  # options of the first start alone
        self.log = run_dir / f"{name}.log"
        self.pid_file = run_dir / f"{name}.pid"
        self.process = None
        self.started = 0.0
        self.restarts = 0
        self.quick_deaths = 0
        self.start_at = None  # when to start it again

    def start(self):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen([*self.command, *self.only_first], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            start_new_session=True)
        self.only_first = []
        self.started = time.monotonic()
        self.start_at = None
        write_pid(self.pid_file, self.process.pid)

    def died(self):
        """True once after it ended; then start_at says when it is to run again."""
        if self.process is None or self.process.poll() is None:
            return False
        now = time.monotonic()
        self.quick_deaths = self.quick_deaths + 1 if now - self.started < self.STEADY_S else 0
        pause_s = 0.0 if self.quick_deaths < 2 else min(0.25 * 2 ** self.quick_deaths, self.LONGEST_PAUSE_S)
        self.start_at = now + pause_s
        self.process_status = self.process.returncode
        self.process = None
        self.restarts += 1
        return True

    def how_it_ended(self):
        status = self.process_status
        return f"killed by {signal.Signals(-status).name}" if status < 0 else f"exited with {status}"

    def stop(self, patience_s):
        if self.process:
            end(self.process.pid, patience_s)
            self.process.wait()
            self.process = None
        self.pid_file.unlink(missing_ok=True)

    def last_words(self):
        """The last line of its log that says something."""
        try:
            lines = self.log.read_text(errors="replace").splitlines()
        except OSError:
            return "no log"
        return next((line.strip() for line in reversed(lines) if line.strip()), "its log is empty")
