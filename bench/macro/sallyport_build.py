# SPDX-License-Identifier: BSD-3-Clause
"""Builds Sallyport for the comparison: as scripts/build does, but linked against the native static DPDK that ipsec-secgw is
built from (dpdk_build.py), in a build directory of its own and only as far as the comparison needs."""
import shutil

from . import dpdk_build
from .fault import Fault

PROGRAMS = ("dataplane/sallyport-dataplane", "bench/load_gateway", "bench/bench_esp")
DIRECTORY = dpdk_build.REPOSITORY / "build-compare"
DEBIANS_DIRECTORY = dpdk_build.REPOSITORY / "build"


def configure(directory, dpdk, stamp, wanted, log, progress):
    """From scratch, because a changed DPDK is not noticed by a configured directory."""
    if directory.exists() and not stamp.exists() and any(directory.iterdir()):
        raise Fault(f"{directory} is there and isn't of bench/compare: name another with --build")
    shutil.rmtree(directory, ignore_errors=True)
    progress("configuring Sallyport")
    directory.mkdir(parents=True)
    stamp.write_text("unfinished")
    dpdk_build.run(["meson", "setup", directory, "-Dplugin=false", f"--pkg-config-path={dpdk.pkgconfig}"], log,
                   dpdk_build.REPOSITORY, progress)
    stamp.write_text(wanted)


def ensure(directory, dpdk, progress):
    """Brings the programs in `directory` up to date."""
    stamp = directory / "dpdk-of-bench-compare"
    wanted = f"{dpdk.target}\n{dpdk.built_for()}"
    log = dpdk_build.CACHE / "sallyport-build.log"
    log.write_bytes(b"")
    if not (stamp.exists() and stamp.read_text() == wanted):
        configure(directory, dpdk, stamp, wanted, log, progress)
    progress("building Sallyport")
    dpdk_build.run(["ninja", "-C", directory, "-j", dpdk_build.jobs(), *PROGRAMS], log, dpdk_build.REPOSITORY, progress, "Sallyport")


def check(directory):
    """That scripts/build has been there."""
    for program in PROGRAMS:
        if not (directory / program).exists():
            raise Fault(f"{directory / program} is not built: run scripts/build")
