# SPDX-License-Identifier: BSD-3-Clause
"""One sample: the CPU clock of the polling thread times the TSC's rate, by the packets that went out meanwhile.

So a preemption by something else on the core doesn't count. No drop may be counted meanwhile, and packets in and out must
agree, else the sample is an error and not a number."""
import dataclasses
import time

from .fault import Fault
from .process import cpu_ns_at_tick

IN_FLIGHT = 4096  # packets that may be inside a gateway at one time; ipsec-secgw's crypto queue is the largest such place
READING_S = 0.001  # how far apart clock and counters may be read
READINGS = 20


@dataclasses.dataclass(frozen=True)
class Counters:
    """Read in this order."""
    transmitted_before: int
    received: int
    transmitted: int
    drops: dict  # reason: packets


@dataclasses.dataclass(frozen=True)
class Sample:
    packets: int
    cpu_s: float

    def cycles(self, tsc_hz):
        return self.cpu_s * tsc_hz / self.packets


def polling_thread(process, seconds):
    """The one that uses the most CPU in that time: the lcore, as all others sleep."""
    before = process.clocks()
    time.sleep(seconds)
    used = {thread: clock - before.get(thread, clock) for thread, clock in process.clocks().items()}
    return max(used, key=used.get)


def read(gateway, thread):
    """(CPU clock in ns, counters), read within READING_S: where something came between, again, and at last however it is."""
    for _ in range(READINGS):
        clock_ns = cpu_ns_at_tick(gateway.process.pid, thread)
        start_s = time.monotonic()
        counters = gateway.counters()
        if time.monotonic() - start_s < READING_S:
            break
    return clock_ns, counters


def take_sample(gateway, seconds, warm_up_s=0.3):
    """`gateway`: has `process` and counters()."""
    thread = polling_thread(gateway.process, warm_up_s)
    start_ns, start = read(gateway, thread)
    time.sleep(seconds)
    end_ns, end = read(gateway, thread)
    gateway.process.check_alive()
    check_no_drops(gateway.process.name, start, end)
    return Sample(end.transmitted - start.transmitted, (end_ns - start_ns) / 1e9)


def check_no_drops(name, start, end):
    for reason, packets in end.drops.items():
        if packets != start.drops.get(reason, 0):
            raise Fault(f"{name} drops packets ({reason}: {packets - start.drops.get(reason, 0)}): the row measures nothing")
    received = end.received - start.received
    if end.transmitted <= start.transmitted:
        raise Fault(f"{name} sends nothing")
    if received > end.transmitted - start.transmitted_before + IN_FLIGHT:
        raise Fault(f"{name} received {received} packets and sent {end.transmitted - start.transmitted} at the same time: it drops, "
                    "the row measures nothing")
