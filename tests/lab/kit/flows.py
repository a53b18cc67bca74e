# SPDX-License-Identifier: BSD-3-Clause
"""A thousand UDP flows from one host to another and back, and what became of each of their packets."""

import collections
import itertools
import json
import signal
import struct
import subprocess

from .shell import REPOSITORY

TOOL = REPOSITORY / "build/tests/lab/udp-flows"
FIRST_PORT, PORTS = 7200, 20
FIRST_SOURCE_PORT = 31000
RECORD = struct.Struct("<IIqq")
STALL_MS = 200  # a generator that stood still for longer has measured itself

Packet = collections.namedtuple("Packet", "number sent_s answered_s")  # of time.monotonic(); answered_s None: lost


class Flows:
    """From the start of the with block to its end. Flow n has the source port FIRST_SOURCE_PORT + n // PORTS and the destination port
    FIRST_PORT + n % PORTS. The first `fast` flows send bursts of 4 packets, `fast_pps` packets per second each."""

    numbers = itertools.count()

    def __init__(self, asking, answering, flows=1000, slow_pps=2, fast=16, fast_pps=80, payload_bytes=64, family="ipv4"):
        self.asking, self.answering, self.count, self.fast = asking, answering, flows, fast
        self.options = [FIRST_PORT, PORTS, flows, slow_pps, fast, fast_pps, 4, payload_bytes]
        self.ends = [next(lan.host for lan in host.lans if lan.family == family) for host in (asking, answering)]
        self.log = asking.lab.directory / f"flows-{next(Flows.numbers)}.bin"
        self.asked = self.answered = None
        self.packets = {}

    def __enter__(self):
        self.drops_before = self._cable_drops()
        self.server = self.answering.namespace.popen(TOOL, "answer", self.ends[1], FIRST_PORT, PORTS, stdout=subprocess.PIPE)
        assert self.server.stdout.readline() == "ready\n"
        self.client = self.asking.namespace.popen(TOOL, "ask", *self.ends, *self.options, self.log, stdout=subprocess.PIPE)
        return self

    def __exit__(self, *_):
        self.asked = self._end(self.client)
        self.answered = self._end(self.server)
        if self.asked is None:
            return
        self.packets = {flow: [] for flow in range(self.count)}
        for flow, number, sent_ns, answered_ns in RECORD.iter_unpack(self.log.read_bytes()):
            self.packets[flow].append(Packet(number, sent_ns / 1e9, answered_ns / 1e9 if answered_ns else None))
        self.log.unlink()
        self.dropped = {name: now - self.drops_before.get(name, 0) for name, now in self._cable_drops().items()
                        if now != self.drops_before.get(name, 0)}

    @staticmethod
    def _end(process):
        process.send_signal(signal.SIGTERM)
        text, _ = process.communicate(timeout=20)
        return json.loads(text.splitlines()[-1]) if process.returncode == 0 else None

    def _cable_drops(self):
        drops = dict(self.asking.lab.drops())
        drops["softnet"] = sum(int(line.split()[1], 16) for line in open("/proc/net/softnet_stat"))
        return drops

    def void(self):
        """Why the run proves nothing: the machine stood still, or the lab's own cables and sockets dropped packets."""
        assert self.asked and self.answered, "a host's udp-flows died"
        reasons = dict(self.dropped)
        if self.asked["latest_us"] > STALL_MS * 1000:
            reasons["generator late, ms"] = self.asked["latest_us"] // 1000
        for name, counts in (("asking", self.asked), ("answering", self.answered)):
            if counts["socket_drops"]:
                reasons[f"{name} host's sockets"] = counts["socket_drops"]
        return reasons

    def reordered(self):
        return self.asked["reordered"] + self.answered["reordered"]

    def reordered_flows(self):
        """Those of which an answer overtook an earlier packet's."""
        found = set()
        for flow, packets in self.packets.items():
            times = [packet.answered_s for packet in sorted(packets) if packet.answered_s is not None]
            if any(later < earlier for earlier, later in zip(times, times[1:])):
                found.add(flow)
        return found

    def duplicates(self):
        return self.asked["duplicates"] + self.answered["duplicates"]

    def lost(self, after_s=0.0, before_s=float("inf")):
        """{flow: packets sent then that never came back}; flows that lost nothing are left out."""
        counts = {flow: sum(packet.answered_s is None and after_s <= packet.sent_s < before_s for packet in packets)
                  for flow, packets in self.packets.items()}
        return {flow: count for flow, count in counts.items() if count}

    def outage_s(self, after_s=0.0):
        """From the first lost packet of any flow to the last one, by the times they were sent."""
        times = [packet.sent_s for packets in self.packets.values() for packet in packets
                 if packet.answered_s is None and packet.sent_s >= after_s]
        return max(times) - min(times) if times else 0.0

    def longest_pause_s(self, flow):
        """The longest time between two answers that the asking host received."""
        times = sorted(packet.answered_s for packet in self.packets[flow] if packet.answered_s is not None)
        return max((later - earlier for earlier, later in zip(times, times[1:])), default=float("inf"))

    def summary(self):
        lost = self.lost()
        return {"asked": self.asked, "answered": self.answered, "lost": sum(lost.values()), "flows with loss": len(lost),
                "outage_s": round(self.outage_s(), 3),
                "longest pause of a fast flow, s": round(max(self.longest_pause_s(flow) for flow in range(self.fast)), 3)}


def flow_of(source_port, destination_port):
    """(flow, True for a question or False for an answer) of UDP ports, or None if they are no flow's."""
    for near, far, is_question in ((source_port, destination_port, True), (destination_port, source_port, False)):
        if near >= FIRST_SOURCE_PORT and FIRST_PORT <= far < FIRST_PORT + PORTS:
            return (near - FIRST_SOURCE_PORT) * PORTS + far - FIRST_PORT, is_question
    return None
