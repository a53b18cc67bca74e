# SPDX-License-Identifier: BSD-3-Clause
"""Runs sallyport-dataplane for one row: one worker, loaded with static SAs over its API by load_gateway, counted by its
shared-state file (dataplane/api/shared_state.h).

Replay windows are off inbound, because the feed repeats its sequence numbers; ESN is off, as the peer's; everything else
is as an operator has it: counters per SA and port, path MTU, selectors (any to any), ECMP groups, both ports polled."""
import json
import mmap
import pathlib
import re
import struct
import subprocess

from . import devices, scene
from .fault import Fault
from .measure import Counters
from .dpdk_build import REPOSITORY
from .process import Process

NAME = "sallyport"
HEADER = struct.Struct("<QIIII5Q")  # SharedStateHeader
MAGIC, VERSION = 0x5350535441544532, 1
WORKER_BYTES, DROPS_OFFSET = 1024, 64  # WorkerCounters
PORT_BYTES = 64  # PortCounters: rx_packets, rx_bytes, tx_packets, ...
WAN_PORT, LAN_PORT = 0, 1  # as load_gateway numbers them


def memory_mb(packets):
    """256 as the others; more where the feed is long: the dataplane gives a quarter of its memory to buffers."""
    return 256 if packets <= 10000 else 256 + 4 * packets * 3 // 1024


def drop_names():
    text = (REPOSITORY / "dataplane" / "api" / "drop_reason.h").read_text()
    return re.findall(r'X\(k\w+, "(\w+)"', text)


class SharedState:
    def __init__(self, path):
        with open(path, "rb") as file:
            self._map = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)
        (magic, version, self._workers, _, _, self._worker_offset, self._port_offset, *_) = HEADER.unpack_from(self._map)
        if (magic, version) != (MAGIC, VERSION):
            raise Fault(f"{path} is version {version} of the shared state, the comparison reads version {VERSION}")
        self._names = drop_names()

    def close(self):
        self._map.close()

    def _port(self, port, field):
        return sum(struct.unpack_from("<Q", self._map, self._port_offset + (port * self._workers + worker) * PORT_BYTES + field)[0]
                   for worker in range(self._workers))

    def counters(self, receive_port, transmit_port):
        drops = dict.fromkeys(self._names, 0)
        for worker in range(self._workers):
            start = self._worker_offset + worker * WORKER_BYTES + DROPS_OFFSET
            for name, count in zip(self._names, struct.unpack_from(f"<{len(self._names)}Q", self._map, start)):
                drops[name] += count
        transmitted_before = self._port(transmit_port, 16)
        return Counters(transmitted_before, self._port(receive_port, 0), self._port(transmit_port, 16), drops)


class Gateway:
    """A context, loaded and forwarding inside."""

    def __init__(self, build, row, pcap, core, directory):
        self._row = row
        self._build = build
        self._pcap = pcap
        self._run_dir = pathlib.Path(directory) / "gateway"
        self._run_dir.mkdir(mode=0o700)
        self._ports = (LAN_PORT, WAN_PORT) if row.direction == "out" else (WAN_PORT, LAN_PORT)
        self._state = None
        self.installed = None  # what load_gateway says
        command = [build / "dataplane" / "sallyport-dataplane", "--run-dir", self._run_dir, "--workers", core, "--idle", "poll",
                   "--huge", "--memory", memory_mb(row.packets), "--slots", max(1024, row.sas + 2)]
        self.process = Process(NAME, command, pathlib.Path(directory) / f"{NAME}.log")


    def __enter__(self):
        try:
            self.process.wait_for((self._run_dir / "dataplane.sock").exists, "its API socket")
            self._load()
            self._state = SharedState(self._run_dir / "state")
            self.process.wait_for(lambda: self.counters().transmitted > 0, "its first packet")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        if self._state:
            self._state.close()
        self.process.stop()
        for path in self._run_dir.iterdir():
            path.unlink()
        self._run_dir.rmdir()

    def _load(self):
        lan, wan = devices.feed(self._pcap), devices.SINK
        if self._row.direction == "in":
            lan, wan = wan, lan
        command = [self._build / "bench" / "load_gateway", "--socket", self._run_dir / "dataplane.sock", "--lan-device", lan,
                   "--wan-device", wan, "--sas", str(self._row.sas), "--cipher", self._row.cipher, "--replay-window", "0",
                   "--hosts", str(self._row.hosts)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        if done.returncode != 0:
            self.process.check_alive()
            raise Fault(f"load_gateway failed: {done.stderr.strip()}")
        self.installed = json.loads(done.stdout.splitlines()[-1])
        mac = self.installed["lan_mac" if self._row.direction == "out" else "wan_mac"]
        if bytes.fromhex(mac.replace(":", "")) != scene.FEED_PORT_MAC:
            raise Fault(f"the feed's port has the MAC {mac}, its packets are for {scene.FEED_PORT_MAC.hex(':')}")

    def counters(self):
        return self._state.counters(*self._ports)
