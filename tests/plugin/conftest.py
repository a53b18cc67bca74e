# SPDX-License-Identifier: BSD-3-Clause
"""The fixtures: a lab of two charons for each test, taken down on every way out."""

import os
import pathlib
import signal
import sys
import tempfile

import pytest

import feed
import lab as lab_module

ROOT = pathlib.Path(__file__).resolve().parents[2]
PLUGIN = ROOT / "build/vici-bridge/plugin/libstrongswan-kernel-sallyport.so"
sys.path.append(str(ROOT / "tests/lab"))  # behind this folder, which has files of the same names

pytest_plugins = ["kit.autogroups", "kit.standstill"]


def pytest_configure():
    if os.geteuid() != 0:
        raise pytest.UsageError("these tests need root: they make network namespaces")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that every lab is taken down


@pytest.fixture
def lab():
    with tempfile.TemporaryDirectory(prefix="sppl") as directory:
        the_lab = lab_module.Lab(directory, PLUGIN)
        try:
            the_lab.up()
            the_lab.a.start()
            the_lab.b.start()
            yield the_lab
        finally:
            the_lab.down()


@pytest.fixture
def connect(lab):
    """Connects a reader to one side's feed."""
    def do_connect(side, **options):
        reader = feed.Reader(side.feed, **options)
        lab.readers.append(reader)
        if options.get("greet", True):
            reader.wait(lambda r: r.of(feed.SNAPSHOT_END))
        return reader
    return do_connect
