# SPDX-License-Identifier: BSD-3-Clause
"""The scheduler without autogroups, as long as a lab runs; as a pytest plugin, as long as the tests do. With them every gateway
and the tests are a group each, and CPU time is shared between groups: beside a busy compiler, Linux 6.18 kept a thread of a group
that only sleeps from its CPU for up to 1.6 s, and a pinned worker for longer than its rings have room; without them for 18 ms."""

import contextlib
from pathlib import Path

SETTING = Path("/proc/sys/kernel/sched_autogroup_enabled")


def pytest_configure(config):
    if not hasattr(config, "workerinput"):  # not one of xdist's processes
        machine = contextlib.ExitStack()
        machine.enter_context(no_autogroups())
        config.add_cleanup(machine.close)


@contextlib.contextmanager
def no_autogroups():
    """Holds for processes started from here on."""
    before = SETTING.read_text() if SETTING.exists() else "0"
    if before.strip() == "0":
        yield
        return
    SETTING.write_text("0")
    try:
        yield
    finally:
        SETTING.write_text(before)
