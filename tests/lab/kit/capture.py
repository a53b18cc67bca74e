# SPDX-License-Identifier: BSD-3-Clause
"""Captures on a cable, and what the frames in them are."""

import collections
import ipaddress
import signal
import struct
import subprocess
import time

from .shell import wait_for

Frame = collections.namedtuple("Frame", "time_s kind source destination esp length")
ESP, IKE, NATT_KEEPALIVE, ICMP, ARP, ND, OTHER = "esp", "ike", "keepalive", "icmp", "arp", "nd", "other"
IP_PROTOCOL_ICMP, IP_PROTOCOL_UDP, IP_PROTOCOL_ESP, IP_PROTOCOL_ICMPV6 = 1, 17, 50, 58


class Capture:
    """A tcpdump from the start of the with block to its end."""

    def __init__(self, namespace, interface, path, expression=""):
        self.namespace, self.interface, self.path, self.expression = namespace, interface, path, expression
        self.process = None
        self.dropped = 0

    def __enter__(self):
        self.process = self.namespace.popen(
            "tcpdump", "-Z", "root", "-n", "-i", self.interface, "--immediate-mode", "-B", "65536", "-s", "0", "-U", "-w", str(self.path),
            *self.expression.split(), stderr=subprocess.PIPE)
        wait_for("tcpdump", lambda: self.path.exists() and self.path.stat().st_size >= 24)
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        if self.process is None:
            return
        time.sleep(0.6)  # for what is still under way, and was not read
        self.process.send_signal(signal.SIGINT)
        _, text = self.process.communicate(timeout=20)
        self.process = None
        for line in text.splitlines():
            if "dropped by kernel" in line:
                self.dropped = int(line.split()[0])

    def frames(self):
        assert self.process is None, "the capture still runs"
        return list(read_frames(self.path))


def read_packets(path):
    """(time, Ethernet frame) of a pcap file; a last record that was cut is left out."""
    data = path.read_bytes()
    order = "<" if struct.unpack_from("<I", data)[0] in (0xa1b2c3d4, 0xa1b23c4d) else ">"
    at = 24
    while at + 16 <= len(data):
        seconds, fraction, captured, _ = struct.unpack_from(order + "IIII", data, at)
        if at + 16 + captured > len(data):
            return
        yield seconds + fraction / 1e6, data[at + 16:at + 16 + captured]
        at += 16 + captured


def classify(frame):
    """(kind, source, destination, ESP bytes or None) of an Ethernet frame."""
    ethertype = struct.unpack_from(">H", frame, 12)[0]
    if ethertype == 0x0806:
        return ARP, None, None, None
    if ethertype == 0x0800 and len(frame) >= 34:
        return classify_ipv4(frame)
    if ethertype == 0x86dd and len(frame) >= 54:
        return classify_ipv6(frame)
    return OTHER, None, None, None


def classify_ipv4(frame):
    header = (frame[14] & 15) * 4
    total = struct.unpack_from(">H", frame, 16)[0]
    source, destination = (str(ipaddress.ip_address(frame[at:at + 4])) for at in (26, 30))
    is_first = struct.unpack_from(">H", frame, 20)[0] & 0x1fff == 0
    kind, esp = classify_payload(frame[23], frame[14 + header:14 + total], is_first)
    return kind, source, destination, esp


def classify_ipv6(frame):
    length = struct.unpack_from(">H", frame, 18)[0]
    source, destination = (str(ipaddress.ip_address(frame[at:at + 16])) for at in (22, 38))
    protocol, payload, is_first = frame[20], frame[54:54 + length], True
    if protocol == 44:  # a fragment, RFC 8200 section 4.5
        protocol, is_first = payload[0], struct.unpack_from(">H", payload, 2)[0] >> 3 == 0
        payload = payload[8:]
    if protocol == 0 and payload[0] == IP_PROTOCOL_ICMPV6:  # MLD, RFC 2710 section 3
        return ND, source, destination, None
    kind, esp = classify_payload(protocol, payload, is_first)
    return kind, source, destination, esp


def classify_payload(protocol, payload, is_first):
    """(kind, ESP bytes or None) of what an IP packet carries."""
    if protocol == IP_PROTOCOL_ESP:
        return ESP, payload if is_first else None
    if protocol == IP_PROTOCOL_ICMP:
        return ICMP, None
    if protocol == IP_PROTOCOL_ICMPV6:
        return (ND if 133 <= payload[0] <= 137 else ICMP), None  # RFC 4861 section 4
    if protocol == IP_PROTOCOL_UDP and is_first:
        ports = struct.unpack_from(">HH", payload)
        inside = payload[8:]
        if 500 in ports:
            return IKE, None
        if 4500 in ports or any(20000 <= port < 30000 for port in ports):  # the lab's NAT maps to these
            if inside == b"\xff":
                return NATT_KEEPALIVE, None
            return (IKE, None) if inside[:4] == b"\0\0\0\0" else (ESP, inside)
    return OTHER, None


def read_frames(path):
    for time_s, frame in read_packets(path):
        kind, source, destination, esp = classify(frame)
        yield Frame(time_s, kind, source, destination, esp, len(frame))


def count_kinds(frames):
    return collections.Counter(frame.kind for frame in frames)


def repeated_ivs(frames):
    """(SPI, IV) pairs that occur more than once among ESP frames; a frame seen twice on one cable counts too."""
    pairs = collections.Counter((frame.esp[:4], frame.esp[8:16]) for frame in frames if frame.kind == ESP and frame.esp)
    return [pair for pair, times in pairs.items() if times > 1]
