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


def plugin_path():
    name = "vici-bridge/plugin/libstrongswan-kernel-sallyport.so"
    return pathlib.Path(os.environ.get("SALLYPORT_PLUGIN", ROOT / "build" / name))


@pytest.fixture(scope="session", autouse=True)
def exit_on_terminate():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that fixtures are finalized


@pytest.fixture
def lab():
    if os.geteuid() != 0:
        pytest.skip("needs root for network namespaces")
    with tempfile.TemporaryDirectory(prefix="sppl") as directory:
        the_lab = lab_module.Lab(directory, plugin_path())
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
