# SPDX-License-Identifier: BSD-3-Clause
"""Runs the rows: for each pass of a row its contestants one after the other, each a process of its own, so that what the
machine does meanwhile meets all of them alike."""
import dataclasses
import pathlib

from . import feed, forwarder, raw, sallyport, secgw
from .fault import Fault
from .measure import take_sample

IO, DEBIAN_IO, RAW = "io", "debian-io", "raw"


def contestants(with_debians_dpdk):
    """In the order of a pass. An I/O baseline is first: it knows the TSC's rate."""
    return (IO, *((DEBIAN_IO,) if with_debians_dpdk else ()), secgw.NAME, sallyport.NAME)


def alone(with_debians_dpdk):
    return (DEBIAN_IO if with_debians_dpdk else IO, sallyport.NAME)


@dataclasses.dataclass
class Result:
    """What one row gave: TSC cycles per packet, a list of one for each pass by contestant. DEBIAN_IO is there where ours runs
    on Debian's DPDK, and then is our I/O."""
    row: object
    cycles: dict = dataclasses.field(default_factory=dict)
    fault: str = ""

    def add(self, name, cycles):
        self.cycles.setdefault(name, []).append(cycles)


class Comparison:
    """`programs`: of dpdk_build; `progress`: a function that shows a line."""

    def __init__(self, build, programs, core, directory, seconds, passes, progress):
        self._build, self._programs, self._core = build, programs, core
        self._directory = pathlib.Path(directory)
        self._seconds, self._passes = seconds, passes
        self._progress = progress
        self._tsc_hz = None

    def run_row(self, row, contestants):
        result = Result(row)
        pcap = self._directory / "feed.pcap"
        self._progress(f"{row.name}: making {row.packets} packets")
        try:
            feed.write_pcap(pcap, row)
            for number in range(1, self._passes + 1):
                for name in contestants:
                    self._progress(f"{row.name}: pass {number} of {self._passes}, {name}")
                    result.add(name, self._sample(name, row, pcap))
                result.add(RAW, raw.run(self._build, row, self._core))
        except Fault as fault:
            result.fault = str(fault)
        finally:
            pcap.unlink(missing_ok=True)
        return result

    def _start(self, name, row, pcap):
        place = (row, pcap, self._core, self._directory)
        if name == IO:
            return forwarder.run(self._programs["testpmd"], IO, *place)
        if name == DEBIAN_IO:
            return forwarder.run(forwarder.DEBIANS, DEBIAN_IO, *place)
        if name == secgw.NAME:
            return secgw.run(self._programs["ipsec-secgw"], *place)
        return sallyport.Gateway(self._build, *place)

    def _sample(self, name, row, pcap):
        with self._start(name, row, pcap) as gateway:
            sample = take_sample(gateway, self._seconds)
            if self._tsc_hz is None:
                self._tsc_hz = forwarder.tsc_hz(gateway.process.log)
        return sample.cycles(self._tsc_hz)
