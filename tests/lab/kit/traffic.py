# SPDX-License-Identifier: BSD-3-Clause
"""Numbered UDP in both directions between two hosts, with exact counts of what happened to it."""

import json
import signal
import subprocess
import time

from .shell import REPOSITORY

TOOL = REPOSITORY / "build/tests/lab/numbered-udp"


class Stream:
    """One direction. A stream's port is its receiver's."""

    def __init__(self, sender, receiver, port, rate_pps, payload_bytes):
        self.receiving = receiver.namespace.popen(TOOL, "receive", receiver.address, port, stdout=subprocess.PIPE)
        assert self.receiving.stdout.readline() == "ready\n"
        self.sending = sender.namespace.popen(TOOL, "send", receiver.address, port, rate_pps, payload_bytes, stdout=subprocess.PIPE)
        self.sent = self.received = None

    def stop(self, settle_s):
        if self.sent is None:
            self.sent = self._end(self.sending)
            time.sleep(settle_s)
            self.received = self._end(self.receiving)

    @staticmethod
    def _end(process):
        process.send_signal(signal.SIGTERM)
        text, _ = process.communicate(timeout=10)
        return json.loads(text.splitlines()[-1])

    @property
    def lost(self):
        return self.sent["sent"] - self.received["unique"]

    def summary(self):
        return {"sent": self.sent["sent"], "lost": self.lost, "reordered": self.received["reordered"],
                "duplicates": self.received["duplicates"], "longest_silence_ms": self.received["longest_silence_ms"],
                "latest_us": self.sent["latest_us"], "gaps": self.received["gaps"]}


class Traffic:
    """2,000 packets per second each way from the start of the with block to its end, then `streams` holds the counts."""

    def __init__(self, left, right, rate_pps=2000, payload_bytes=200, settle_s=1.0):
        self.left, self.right = left, right
        self.rate_pps, self.payload_bytes, self.settle_s = rate_pps, payload_bytes, settle_s
        self.streams = {}

    def __enter__(self):
        self.void_before = self._cable_drops()
        for name, sender, receiver, port in ((f"{self.left.name}->{self.right.name}", self.left, self.right, 7001),
                                             (f"{self.right.name}->{self.left.name}", self.right, self.left, 7002)):
            self.streams[name] = Stream(sender, receiver, port, self.rate_pps, self.payload_bytes)
        return self

    def __exit__(self, *_):
        for stream in self.streams.values():
            stream.sending.send_signal(signal.SIGTERM)
        for stream in self.streams.values():
            stream.stop(self.settle_s)

    def _cable_drops(self):
        drops = dict(self.left.lab.drops())
        drops["softnet"] = sum(int(line.split()[1], 16) for line in open("/proc/net/softnet_stat"))
        return drops

    def cable_drops(self):
        """What the lab's own cables and sockets dropped meanwhile: not the gateways' doing, so the run is void."""
        now = self._cable_drops()
        drops = {name: now[name] - before for name, before in self.void_before.items() if now.get(name, 0) != before}
        for name, stream in self.streams.items():
            if stream.received["socket_drops"]:
                drops[f"receiver {name}"] = stream.received["socket_drops"]
        return drops

    def summary(self):
        return {name: stream.summary() for name, stream in self.streams.items()}

    def lost(self):
        return sum(stream.lost for stream in self.streams.values())

    def reordered(self):
        return sum(stream.received["reordered"] for stream in self.streams.values())

    def duplicates(self):
        return sum(stream.received["duplicates"] for stream in self.streams.values())
