# SPDX-License-Identifier: BSD-3-Clause
"""A client of the telemetry socket that a DPDK program opens, and a running program seen through it."""
import json
import pathlib
import socket

from . import devices
from .measure import Counters
from .process import Process


class Telemetry:
    def __init__(self, path):
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._socket.settimeout(10)
        self._socket.connect(str(path))
        self._size = json.loads(self._socket.recv(16384))["max_output_len"]

    def close(self):
        self._socket.close()

    def ask(self, *commands):
        """The answers' contents, read by the program right after one another; None for what it doesn't know (yet)."""
        for command in commands:
            self._socket.send(command.encode())
        return [json.loads(self._socket.recv(self._size)).get(command.split(",")[0]) for command in commands]


class DpdkProgram:
    """Between the feed and the sink; use it as a context."""

    def __init__(self, name, command, directory, prefix):
        self._telemetry = None
        self.process = Process(name, command, pathlib.Path(directory) / f"{name}.log", {"RUNTIME_DIRECTORY": str(directory)})
        self._socket = pathlib.Path(directory) / "dpdk" / prefix / "dpdk_telemetry.v2"

    def __enter__(self):
        try:
            self._telemetry = self.process.wait_for(self._connect, "its telemetry socket")
            self.process.wait_for(self._sends, "its first packet")
        except BaseException:
            self.process.stop()
            raise
        return self

    def __exit__(self, *_):
        self._telemetry.close()
        self.process.stop()

    def _connect(self):
        try:
            return Telemetry(self._socket)
        except (FileNotFoundError, ConnectionRefusedError):
            return None

    def _sends(self):
        stats, = self._telemetry.ask(f"/ethdev/stats,{devices.SINK_PORT}")
        return stats and stats["opackets"] > 0

    def counters(self):
        """No drop reasons: what comes in and doesn't go out was dropped."""
        sink, feed, later = self._telemetry.ask(*(f"/ethdev/stats,{port}"
                                                  for port in (devices.SINK_PORT, devices.FEED_PORT, devices.SINK_PORT)))
        return Counters(sink["opackets"], feed["ipackets"], later["opackets"], {})
