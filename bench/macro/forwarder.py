# SPDX-License-Identifier: BSD-3-Clause
"""The I/O baseline: testpmd in io mode takes bursts of 32 from the feed and gives them to the sink, untouched.

The one of the native build stands for both gateways' I/O. Debian's stands for ours where ours uses Debian's drivers: those
are compiled for older CPUs and copy large packets slower."""
import os
import re

from . import devices
from .fault import Fault
from .telemetry import DpdkProgram

DEBIANS = "/usr/bin/dpdk-testpmd"
PREFIX = "compare-io"


def run(program, name, row, pcap, core, directory):
    """A context; see DpdkProgram. testpmd forwards on a core other than its main one, so that one is another's."""
    memory_mb = devices.memory_mb(row.packets)
    eal = devices.eal_arguments(core, pcap, memory_mb, PREFIX)
    anywhere = ",".join(map(str, sorted(os.sched_getaffinity(0))))
    eal[eal.index("-l"):eal.index("-l") + 2] = ["--lcores", f"0@({anywhere}),1@{core}", "--main-lcore", "0"]
    command = [program, *eal, "--log-level=lib.eal:debug", "--", "--forward-mode=io", "--burst=32", "--nb-cores=1",
               "--no-flush-rx", "--no-lsc-interrupt", f"--total-num-mbufs={row.packets + 8192}", "--auto-start"]
    return DpdkProgram(name, command, directory, PREFIX)


def tsc_hz(log):
    """The TSC's rate, as DPDK found it."""
    found = re.search(r"TSC frequency is ~(\d+) KHz", log.read_text(errors="replace"))
    if not found:
        raise Fault(f"testpmd doesn't say how fast the TSC runs: see {log}")
    return int(found[1]) * 1000
