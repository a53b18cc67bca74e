# SPDX-License-Identifier: BSD-3-Clause
"""Fixtures: labs that are always torn down, with their logs kept under build/lab-logs for a test that failed."""

import os
import signal
import sys
from pathlib import Path

import pytest

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).parent))
from kit.lab import SiteToSite, sweep  # noqa: E402
from kit.paths import TwoWans  # noqa: E402
from kit.shell import REPOSITORY  # noqa: E402

LOGS = REPOSITORY / "build/lab-logs"

pytest_plugins = ["kit.autogroups", "kit.standstill"]


def pytest_configure(config):
    if os.geteuid() != 0:
        raise pytest.UsageError("the lab needs root: it makes network namespaces")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that every lab is torn down
    config.addinivalue_line("markers", "timed: measures time or rates, and has the machine for itself")
    sweep()


@pytest.hookimpl(tryfirst=True)  # before xdist reads the marks
def pytest_collection_modifyitems(items):
    """For `--dist loadgroup`: the tests that share a lab run one after the other, each other one where there is room. Those that
    share begin, as they take longest; so the end has short ones."""
    items.sort(key=lambda item: not shared_lab(item))
    for item in items:
        if shared_lab(item):
            item.add_marker(pytest.mark.xdist_group(shared_lab(item)))


def shared_lab(item):
    """A name for the fixtures of its module that a test has, with their parameters; empty if it has none."""
    fixtures = [name for name, definitions in item._fixtureinfo.name2fixturedefs.items() if definitions[-1].scope == "module"]
    if not fixtures:
        return ""
    parameters = getattr(item, "callspec", None)
    ids = [str(parameters.indices[name]) for name in fixtures if parameters and name in parameters.indices]
    return "-".join([item.module.__name__, *ids])


def labs_of(request, kind):
    labs = []

    def make(**options):
        lab = kind(logs=LOGS / request.node.name.replace("/", "_"), **options)
        labs.append(lab)
        return lab

    yield make
    for lab in labs:
        lab.close()


@pytest.fixture
def new_lab(request):
    """Makes a lab with the options given; it is gone after the test."""
    yield from labs_of(request, SiteToSite)


@pytest.fixture
def new_two_wans(request):
    """The same, of two ways through the net."""
    yield from labs_of(request, TwoWans)


@pytest.fixture(scope="module")
def up_lab(request):
    """One running site-to-site lab for all tests of a module that change nothing in it."""
    lab = SiteToSite(logs=LOGS / request.module.__name__)
    try:
        yield lab.up()
    finally:
        lab.close()
