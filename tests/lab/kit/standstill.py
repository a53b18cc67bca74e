# SPDX-License-Identifier: BSD-3-Clause
"""A pytest plugin for a machine that itself stands still at times, as a virtual one does whose host takes a CPU or memory away:
what fails meanwhile says nothing about a gateway. A test that fails while a CPU let a process that only sleeps wait for
STALL_MS runs once more, in a lab of its own, and the summary names it. That witness is no gateway: one that stands still by
itself, or keeps a CPU busy, is no excuse."""

import contextlib
import os
import subprocess
import tempfile
import time
from pathlib import Path

import pytest
from _pytest.runner import runtestprotocol

from .shell import REPOSITORY

TOOL = REPOSITORY / "build/tests/lab/cpu-stalls"
STALL_MS = 80  # three labs on two cores keep the witness waiting for 20
FILE = "SALLYPORT_LAB_STALLS"
AGAIN = "ran_again"
ENDS_LATE_S = 0.3  # a stall is known at its end


def pytest_configure(config):
    if hasattr(config, "workerinput"):
        return
    handle, os.environ[FILE] = tempfile.mkstemp(prefix="sallyport-lab-stalls-")
    watcher = subprocess.Popen([TOOL, str(STALL_MS)], stdout=handle, start_new_session=True)
    os.close(handle)

    def end():
        watcher.terminate()
        watcher.wait()
        Path(os.environ.pop(FILE)).unlink()

    config.add_cleanup(end)


def stalls_since(start_ns):
    """What a CPU missed since then, for people."""
    stalls = [map(int, line.split()) for line in Path(os.environ[FILE]).read_text().splitlines()]
    return [f"CPU {cpu} for {(end - begin) / 1e9:.2f} s" for cpu, begin, end in stalls if end > start_ns]


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item, nextitem):
    item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    start_ns = time.monotonic_ns()
    reports = runtestprotocol(item, nextitem=nextitem, log=False)
    if any(report.failed for report in reports):
        time.sleep(ENDS_LATE_S)
        if stalls := stalls_since(start_ns):
            why = next(report.longrepr for report in reports if report.failed)
            what = getattr(getattr(why, "reprcrash", None), "message", str(why)).splitlines()[0]
            item.user_properties.append((AGAIN, f"{', '.join(stalls)} stood still; {what}"))
            with contextlib.suppress(Exception):  # of a lab that could not end well; it is gone all the same
                item.session._setupstate.teardown_exact(None)
            reports = runtestprotocol(item, nextitem=nextitem, log=False)
    for report in reports:
        item.ihook.pytest_runtest_logreport(report=report)
    item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
    return True


def pytest_terminal_summary(terminalreporter):
    again = {report.nodeid: dict(report.user_properties)[AGAIN]
             for reports in terminalreporter.stats.values() for report in reports
             if AGAIN in dict(getattr(report, "user_properties", []))}
    if again:
        terminalreporter.section("ran again, as the machine stood still")
        for name, why in again.items():
            terminalreporter.line(f"{name}: {why}")
