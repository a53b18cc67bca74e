# SPDX-License-Identifier: BSD-3-Clause
"""ESP in UDP over both families: forced, and through a NAT whose mapping changes."""

import struct
import time

import pytest

from kit.capture import ARP, ESP, ICMP, IKE, IP_PROTOCOL_UDP, NATT_KEEPALIVE, ND, Capture, classify, count_kinds, read_packets
from kit.echo import exchange
from kit.shell import wait_for
from kit.traffic import Traffic

TUNNEL = "prod-branch-a-1"
LINK = {"ipv4": {ARP}, "ipv6": {ND}}
HEADER_BYTES = {"ipv4": 20, "ipv6": 40}
SIZES = (1, 100, 1000, 1300)
NATT_PORT = 4500
MAPPED = range(20000, 20100)  # by the lab's NAT at first
QUICK_KEEPALIVES = "charon-systemd {\n  keep_alive = 2\n}\n"


def udp_packets(path, family):
    """(source port, destination port, checksum, payload) of each UDP packet of this family, None for one that is neither UDP
    nor neighbour discovery."""
    start = 14 + HEADER_BYTES[family]
    ethertype, protocol_at = (b"\x08\x00", 23) if family == "ipv4" else (b"\x86\xdd", 20)
    for _, frame in read_packets(path):
        if frame[12:14] != ethertype:
            continue
        if frame[protocol_at] == IP_PROTOCOL_UDP:
            source, destination, _, checksum = struct.unpack_from(">HHHH", frame, start)
            yield source, destination, checksum, frame[start + 8:]
        elif classify(frame)[0] != ND:
            yield None


def assert_payloads_come_back(lab):
    """Bytes compared, in both directions, of each family inside."""
    pairs = [(here.host, there.host) for here, there in zip(lab.lans["hq"], lab.lans["branch"])]
    for client, server, ends in ((lab.host_hq, lab.host_branch, pairs),
                                 (lab.host_branch, lab.host_hq, [pair[::-1] for pair in pairs])):
        assert exchange(client, server, ends, SIZES) == [[] for _ in pairs]


@pytest.mark.parametrize("family", ["ipv4", "ipv6"])
def test_encapsulation_forced(new_lab, family):
    lab = new_lab(esp={"encap": "force"}, outside=family).up()
    path = lab.directory / "forced.pcap"
    with Capture(lab.wan, "hq-a", path):
        with Traffic(lab.host_hq, lab.host_branch) as traffic:
            time.sleep(3)
        assert_payloads_come_back(lab)
    assert traffic.cable_drops() == {}
    assert (traffic.lost(), traffic.reordered()) == (0, 0), traffic.summary()
    assert {udp and udp[:2] for udp in udp_packets(path, family)} == {(NATT_PORT, NATT_PORT)}


@pytest.mark.parametrize("family", ["ipv4", "ipv6"])
def test_through_a_nat_whose_port_changes(new_lab, family):
    lab = new_lab(behind_nat=True, outside=family, inside=("ipv4", "ipv6")).up()
    assert lab.hq.tunnels()[TUNNEL]["nat"]
    assert_payloads_come_back(lab)
    first = lab.hq.show("sas")[0]["remote"]
    with Capture(lab.wan, "nat", lab.directory / "nat.pcap") as capture:
        with Traffic(lab.host_hq, lab.host_branch) as traffic:
            time.sleep(3)
            lab.map_nat(20500)
            time.sleep(6)
    # ICMP: the NAT refuses what still comes to the port that it has forgotten.
    assert {frame.kind for frame in capture.frames()} <= {ESP, IKE, NATT_KEEPALIVE, ICMP} | LINK[family]
    assert all(frame.source == lab.nat_address for frame in capture.frames() if frame.kind == ICMP)
    # The branch's packets are never lost; the hq's only until the branch's next one has shown the new port.
    streams = traffic.summary()
    assert streams["branch->hq"]["lost"] <= 20, streams  # what was under way while the rules were replaced
    assert streams["hq->branch"]["longest_silence_ms"] < 1000, streams
    wait_for("the SA's new remote port", lambda: all(sa["remote"] != first for sa in lab.hq.show("sas")), 10)
    # charon follows too: both sides still exchange IKE messages over the new mapping.
    lab.branch.swanctl("--rekey", "--child", "prod-hq-a-1")
    lab.host_hq.ping(lab.host_branch.address, 5)
    assert_payloads_come_back(lab)


@pytest.mark.parametrize("family", ["ipv4", "ipv6"])
def test_udp_checksums_on_the_wire(new_lab, family):
    """We send none (RFC 3948 section 2.1, RFC 6935), and take any: the ICV is what protects the packet."""
    lab = new_lab(behind_nat=True, outside=family).up()
    for rewritten in (0, 0x1234):
        if rewritten:
            lab.nat.nft(f"table netdev rewrite {{\n chain out {{\n  type filter hook egress device outside priority 0;\n"
                        f"  udp dport {NATT_PORT} @th,64,32 != 0 udp checksum set {rewritten:#x}\n }}\n}}\n")
        path = lab.directory / f"checksum-{rewritten}.pcap"
        with Capture(lab.wan, "nat", path):
            assert_payloads_come_back(lab)
        esp = [udp for udp in udp_packets(path, family) if len(udp[3]) > 4 and udp[3][:4] != bytes(4)]
        to_hq = {checksum for source, destination, checksum, _ in esp if source in MAPPED and destination == NATT_PORT}
        from_hq = {checksum for source, destination, checksum, _ in esp if source == NATT_PORT and destination in MAPPED}
        assert (to_hq, from_hq) == ({rewritten}, {0})


def test_charon_keeps_the_mapping_alive(new_lab):
    """RFC 3948 section 4: an idle end behind a NAT sends 0xFF, and stops while its packets keep the mapping alive."""
    lab = new_lab(behind_nat=True, dpd={"delay": "60s"})
    lab.branch.set_charon("keepalives", QUICK_KEEPALIVES)
    lab.up()
    time.sleep(3)
    swallowed = lab.hq.drops().get("nat_keepalive", 0)
    with Capture(lab.wan, "nat", lab.directory / "idle.pcap") as capture:
        time.sleep(9)
    keepalives = [frame for frame in capture.frames() if frame.kind == NATT_KEEPALIVE]
    assert 3 <= len(keepalives) <= 6, len(keepalives)
    assert {(frame.source, frame.destination) for frame in keepalives} == {(lab.nat_address, "192.0.2.1")}
    assert lab.hq.drops()["nat_keepalive"] - swallowed >= len(keepalives)
    with Capture(lab.wan, "nat", lab.directory / "busy.pcap") as capture:
        with Traffic(lab.host_hq, lab.host_branch, rate_pps=100):
            time.sleep(9)
    kinds = count_kinds(capture.frames())
    assert kinds[ESP] > 1000 and kinds[NATT_KEEPALIVE] <= 1, kinds  # one may have been due already
