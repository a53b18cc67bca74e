# SPDX-License-Identifier: BSD-3-Clause
"""Child processes of the comparison: started with a log, watched, timed by the CPU clock of their polling thread, and
always ended, also when the comparison itself is killed."""
import ctypes
import os
import pathlib
import signal
import subprocess
import time

from .fault import Fault

PR_SET_PDEATHSIG = 1


def _die_with_parent():
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class Process:
    """One child; use it as a context."""

    def __init__(self, name, command, log, environment=None):
        self.name = name
        self.log = pathlib.Path(log)
        with open(self.log, "wb") as output:
            self._child = subprocess.Popen([str(word) for word in command], stdin=subprocess.PIPE, stdout=output,
                                           stderr=subprocess.STDOUT, start_new_session=True, preexec_fn=_die_with_parent,
                                           env={**os.environ, **(environment or {})})

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    @property
    def pid(self):
        return self._child.pid

    def check_alive(self):
        status = self._child.poll()
        if status is not None:
            lines = self.log.read_text(errors="replace").splitlines()[-12:]
            raise Fault(f"{self.name} ended by itself (status {status}); its last lines:\n  " + "\n  ".join(lines))

    def wait_for(self, condition, what, seconds=60):
        """Polls `condition` until it returns something true, which is the result."""
        end = time.monotonic() + seconds
        while True:
            result = condition()
            if result:
                return result
            self.check_alive()
            if time.monotonic() > end:
                lines = self.log.read_text(errors="replace").splitlines()[-12:]
                raise Fault(f"{self.name}: {what} not seen within {seconds} s; its last lines:\n  " + "\n  ".join(lines))
            time.sleep(0.02)

    def stop(self):
        if self._child.poll() is None:
            self._child.terminate()
            try:
                self._child.wait(10)
            except subprocess.TimeoutExpired:
                self._child.kill()
        self._child.stdin.close()
        self._child.wait()

    def clocks(self):
        """{thread id: CPU time in ns}."""
        return {int(task.name): cpu_ns(self.pid, int(task.name)) for task in pathlib.Path(f"/proc/{self.pid}/task").iterdir()}


def cpu_ns(pid, thread):
    with open(f"/proc/{pid}/task/{thread}/schedstat", encoding="ascii") as file:
        return int(file.read().split()[0])


def cpu_ns_at_tick(pid, thread, patience_s=0.1):
    """The clock right after it moved: the kernel brings a running thread's clock forward only with its tick (4 ms)."""
    before = now = cpu_ns(pid, thread)
    end = time.monotonic() + patience_s
    while now == before and time.monotonic() < end:
        now = cpu_ns(pid, thread)
    return now
