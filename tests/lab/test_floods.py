# SPDX-License-Identifier: BSD-3-Clause
"""Good packets, whose ESP the routers fragment, beside a flood of fragments that never make a packet."""

import subprocess
import time

import pytest

from kit.capture import Capture, read_packets
from kit.lab import SiteToSite
from kit.shell import wait_for
from kit.traffic import Traffic

pytestmark = pytest.mark.timed

FLOOD_PPS, FLOOD_SECONDS = 10_000, 5
NARROW_MTU = 1400
LARGE_BYTES, SMALL_BYTES = 1380, 200  # of UDP payload: ESP beyond the narrow link's MTU, and below

# Arguments: interface, the gateway's MAC and address, the source's or "any", packets per second, seconds. Ten at a time: fragments
# of ESP of random datagrams, first ones and later ones, and every fourth one overlaps with the one before.
FLOODER = """
import random, socket, struct, sys, time
interface, mac, destination, source, rate, seconds = sys.argv[1:]
wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
wire.bind((interface, 0))
numbers = random.Random(1)
ethernet = bytes.fromhex(mac.replace(":", "")) + bytes.fromhex("020000000077") + b"\\x08\\x00"
def fragment(source, identity, offset, more):
    header = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 84, identity, offset // 8 | more << 13, 64, 50, 0, source, socket.inet_aton(destination))
    total = sum(struct.unpack(">10H", header))
    total = (total & 0xffff) + (total >> 16)
    total = (total & 0xffff) + (total >> 16)
    return ethernet + header[:10] + struct.pack(">H", ~total & 0xffff) + header[12:] + bytes(64)
sent, started = 0, time.monotonic()
while sent < int(rate) * int(seconds):
    if sent > (time.monotonic() - started) * int(rate):
        time.sleep(0.001)
        continue
    for number in range(10):
        if number % 4 != 3:
            address = socket.inet_aton("198.18.%d.%d" % (numbers.randrange(256), numbers.randrange(256)) if source == "any" else source)
            identity, offset = numbers.randrange(0x8000, 0x10000), 8 * numbers.choice((0, 1, 21, 101))
        else:
            offset += 8
        wire.send(fragment(address, identity, offset, 1))
        sent += 1
print(sent)
"""


@pytest.fixture(scope="module")
def lab():
    lab = SiteToSite(wan_taps=True, lan_taps=True, wan_mtu=NARROW_MTU, esp={"df": "clear", "mss_clamp": False})
    try:
        yield lab.up()
    finally:
        lab.close()


def fragment_drops(gateway):
    drops = gateway.drops()
    return sum(drops.get(reason, 0) for reason in ("fragment_table_full", "fragment_timeout"))


def other_drops(gateway):
    """But for what a bridge floods to stations that it isn't for."""
    own = ("fragment_table_full", "fragment_timeout", "not_for_us")
    return {reason: packets for reason, packets in gateway.drops().items() if reason not in own}


@pytest.mark.parametrize("source", ["any", "198.18.7.7", "192.0.2.17"], ids=["any source", "one source", "the peer's source"])
@pytest.mark.parametrize("payload_bytes", [SMALL_BYTES, LARGE_BYTES], ids=["whole", "fragmented"])
def test_good_packets_beside_a_flood_of_fragments(lab, payload_bytes, source):
    mac = next(port["mac"] for port in lab.hq.show("ports") if port["name"] == "wan0")
    path = lab.directory / f"flood-{payload_bytes}.pcap"
    for _ in range(3):  # a run in which a cable of the lab dropped is void
        before, others_before = fragment_drops(lab.hq), other_drops(lab.hq)
        with Traffic(lab.host_hq, lab.host_branch, rate_pps=500, payload_bytes=payload_bytes) as traffic:
            with Capture(lab.wan, "hq-a", path, "ip proto 50 and dst 192.0.2.1 and src 192.0.2.17 and ip[6:2] & 0x1fff != 0"):
                time.sleep(1)
            flooder = lab.wan.popen("/usr/bin/python3", "-c", FLOODER, "hq-a", mac, "192.0.2.1", source, FLOOD_PPS, FLOOD_SECONDS,
                                    stdout=subprocess.PIPE)
            sent = int(flooder.communicate(timeout=60)[0])
            time.sleep(1)
        if not traffic.cable_drops():
            break
    assert traffic.cable_drops() == {}
    fragmented = len(list(read_packets(path)))
    assert fragmented > 400 if payload_bytes == LARGE_BYTES else fragmented == 0
    total = sum(stream.sent["sent"] for stream in traffic.streams.values())
    allowed = 0
    if payload_bytes == LARGE_BYTES and source == "192.0.2.17":
        allowed = total // 1000  # 16 bits of identification are shared with who sends in the peer's name (RFC 4963)
    assert traffic.lost() <= allowed, traffic.summary()
    # All of the flood is given up, under its own reasons, and nothing else is dropped.
    wait_for("the flood's end", lambda: fragment_drops(lab.hq) - before >= sent, 5)
    assert other_drops(lab.hq) == others_before
